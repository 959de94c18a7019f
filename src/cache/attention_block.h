// Attention of one block of query rows over a part of one lane, on one thread. It is the inside of
// attend(): which blocks there are, on which thread, and how their states merge is decided in
// attention.cpp.
#pragma once

#include <optional>
#include <vector>

#include "base/aligned_buffer.h"
#include "cache/attention.h"
#include "cache/cache_impl.h"
#include "kernels/attention.h"

namespace pith::cache {

inline constexpr Index kChunkTiles =
    16;  // tiles that one softmax step sees: 256 logits of a row stay in the L1 or L2 cache
static_assert(kChunkTiles <= kMaxStripTiles);

// The number of chunks of a lane: what splits are measured in. Chunks do not cross segments.
Index chunk_count(const Lane& lane);

struct AttentionBlock {
  const AttentionJob* job = nullptr;
  Index job_index = 0;
  Index kv_head = 0;
  Index first_query = 0, queries = 0;
  Index first_chunk = 0, last_chunk = 0;  // [first, last) of the lane
  float* state = nullptr;  // null: write the result; else [rows, D + 2], a row's o (not divided by
                           // l), then m, then l
};

// Floats from one row of a block's logits to the next. With a tap they are those of a whole lane of
// so many entries, else of one chunk.
inline Index strip_stride(Index entries, bool tapped) {
  constexpr Index kPad = 16;  // rows 1 KiB apart would share few sets of the L1 cache
  return (tapped ? round_up(entries, 16) : kChunkTiles * kTileEntries) + kPad;
}

struct BlockSize {
  Index rows = 0, queries = 0, head_dim = 0;
  Index strip = 0;  // floats: of the block with the most rows times stride
};

class BlockRunner {
 public:
  // Makes room for blocks of up to this size.
  void reserve(const BlockSize& size);

  void run(const AttentionOptions& options, const AttentionBlock& block, int thread);

 private:
  struct TapChunk {
    Index column, entries;
  };
  void load_queries();
  void see(const Segment& segment, Index first_entry);
  float* queries_for(const Segment& segment);
  void take_base(const Segment& segment);
  void turn_out(bool rotated);
  void run_chunk(const Segment& segment, Index first_entry, Index first_tile, Index last_tile);
  void softmax(const float* bias, float* strip, Index first, Index entries);
  void show_weights();
  void write_result();

  const AttentionOptions* options_ = nullptr;
  const AttentionBlock* block_ = nullptr;
  const AttentionKernels* kernels_ = nullptr;
  int thread_ = 0;
  Index group_ = 0, rows_ = 0, head_dim_ = 0, entries_ = 0, stride_ = 0;

  AlignedBuffer<float> queries_;  // [rows, D] scaled
  // Queries as qk wants them, for bf16, f32, and the last packed format; and rotated.
  AlignedBuffer<float> bf16_queries_, f32_queries_, packed_queries_, rotated_queries_;
  bool has_bf16_ = false, has_f32_ = false, has_rotated_ = false;
  std::optional<Format> packed_for_;
  AlignedBuffer<float> base_;             // [rows], q . centre of the packed segment at hand
  bool out_rotated_ = false;              // out_ is in the basis of rotated values
  AlignedBuffer<float> strip_;            // [rows, stride]
  AlignedBuffer<float> out_;              // [rows, D]
  AlignedBuffer<float> m_, l_, factors_;  // [rows]
  std::vector<float>
      shifts_;  // [chunks, rows]: the maximum that a chunk's weights were computed with (tap)
  AlignedBuffer<Index> low_, high_;  // [queries]: entries [low, high) of the segment are visible
  AlignedBuffer<std::byte> kernel_scratch_;
  std::vector<TapChunk> tap_chunks_;
  Index written_ = 0;  // columns of the strip that hold weights so far (tap)
};

}  // namespace pith::cache
