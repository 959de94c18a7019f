#include "cache/attention_block.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/hadamard.h"
#include "kernels/vector.h"

namespace pith::cache {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The number of entries of a segment at or before `position`.
Index entries_until(const Segment& segment, double position) {
  Index low = 0, high = segment.count;
  while (low < high) {
    const Index middle = (low + high) / 2;
    if (static_cast<double>(segment.position(middle)) <= position)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace

Index chunk_count(const Lane& lane) {
  Index n = 0;
  for (const Segment& segment : lane.segments)
    n += ceil_div(static_cast<Index>(segment.tiles.size()), kChunkTiles);
  return n;
}

void BlockRunner::reserve(const BlockSize& size) {
  for (auto* matrix : {&queries_, &rotated_queries_, &out_})
    matrix->reserve(size.rows * size.head_dim);
  for (auto* packed : {&bf16_queries_, &f32_queries_, &packed_queries_})
    packed->reserve(size.rows * packed_query_floats(size.head_dim));
  for (auto* column : {&m_, &l_, &factors_, &base_}) column->reserve(size.rows);
  for (auto* column : {&low_, &high_}) column->reserve(size.queries);
  kernel_scratch_.reserve(attention_scratch_bytes(size.rows, size.head_dim));
  strip_.reserve(size.strip);
}

void BlockRunner::run(const AttentionOptions& options, const AttentionBlock& block, int thread) {
  const Cache::Impl& cache = block.job->cache->impl();
  options_ = &options;
  block_ = &block;
  thread_ = thread;
  head_dim_ = cache.shape.head_dim;
  kernels_ = &attention_kernels(head_dim_);
  group_ = options.query_heads / cache.shape.kv_heads;
  rows_ = block.queries * group_;
  const Lane& lane = cache.lane(cache.shape.lane(options.layer, block.kv_head));
  entries_ = lane.size();
  stride_ = strip_stride(entries_, block.job->tap != nullptr);
  tap_chunks_.clear();
  shifts_.clear();
  written_ = 0;

  load_queries();
  Index chunk = 0, first_entry = 0;
  for (const Segment& segment : lane.segments) {
    const auto tiles = static_cast<Index>(segment.tiles.size());
    see(segment, first_entry);
    bool based = false;
    for (Index tile = 0; tile < tiles; tile += kChunkTiles, ++chunk) {
      if (chunk < block.first_chunk || chunk >= block.last_chunk) continue;
      const Index first = std::max(tile, low_.data()[0] / kTileEntries);
      const Index last = std::min(
          {tile + kChunkTiles, tiles, ceil_div(high_.data()[block.queries - 1], kTileEntries)});
      if (first >= last) continue;
      if (segment.layout.packed && !based) take_base(segment);
      based = true;
      run_chunk(segment, first_entry, first, last);
    }
    first_entry += segment.count;
  }
  if (block.job->tap) show_weights();
  turn_out(false);
  write_result();
}

void BlockRunner::load_queries() {
  const Index heads = options_->query_heads;
  for (Index q = 0; q < block_->queries; ++q) {
    const float* from = block_->job->queries.data() +
                        ((block_->first_query + q) * heads + block_->kv_head * group_) * head_dim_;
    float* to = queries_.data() + q * group_ * head_dim_;
    for (Index i = 0; i < group_ * head_dim_; ++i) to[i] = from[i] * options_->scale;
  }
  has_bf16_ = has_f32_ = has_rotated_ = out_rotated_ = false;
  packed_for_.reset();
  std::fill_n(out_.data(), rows_ * head_dim_, 0.0f);
  std::fill_n(m_.data(), rows_, -kInfinity);
  std::fill_n(l_.data(), rows_, 0.0f);
}

// Which entries of a segment each query sees: those before its own successors, and inside the
// layer's window.
void BlockRunner::see(const Segment& segment, Index first_entry) {
  const AttentionJob& job = *block_->job;
  const Index window = job.cache->shape().window(options_->layer);
  for (Index q = 0; q < block_->queries; ++q) {
    const Index t = block_->first_query + q;
    const Index seen = entries_ - (job.tokens - 1 - t);
    high_.data()[q] = std::clamp<Index>(seen - first_entry, 0, segment.count);
    low_.data()[q] =
        window ? entries_until(segment, static_cast<double>(job.first_position + t - window)) : 0;
  }
}

// The queries as the kernels of the segment's format read them.
float* BlockRunner::queries_for(const Segment& segment) {
  const auto pack = [&](const TileKernels& kernels, bool& has, AlignedBuffer<float>& to) {
    if (!has) kernels.pack(queries_.data(), rows_, head_dim_, to.data());
    has = true;
    return to.data();
  };
  const Format format = segment.layout.format;
  if (format == Format::bf16) return pack(kernels_->bf16, has_bf16_, bf16_queries_);
  if (format == Format::f32) return pack(kernels_->f32, has_f32_, f32_queries_);
  if (packed_for_ == format) return packed_queries_.data();
  packed_for_ = format;
  const float* queries = queries_.data();
  if (traits(format).rotates_keys) {
    if (!has_rotated_) {
      std::copy_n(queries, rows_ * head_dim_, rotated_queries_.data());
      rotate_hadamard(rotated_queries_.data(), rows_, head_dim_);
      has_rotated_ = true;
    }
    queries = rotated_queries_.data();
  }
  kernels_->packed[static_cast<int>(traits(format).packing)].pack(queries, rows_, head_dim_,
                                                                  packed_queries_.data());
  return packed_queries_.data();
}

// q . centre: what a packed segment's logits begin with.
void BlockRunner::take_base(const Segment& segment) {
  const auto dot = vector_kernels().dot;
  for (Index r = 0; r < rows_; ++r)
    base_.data()[r] = dot(queries_.data() + r * head_dim_, segment.centre_data(), head_dim_);
}

// Brings the sums so far into the basis of rotated values, or back.
void BlockRunner::turn_out(bool rotated) {
  if (rotated == out_rotated_) return;
  (rotated ? rotate_hadamard : unrotate_hadamard)(out_.data(), rows_, head_dim_);
  out_rotated_ = rotated;
}

void BlockRunner::run_chunk(const Segment& segment, Index first_entry, Index first_tile,
                            Index last_tile) {
  const TileLayout& layout = segment.layout;
  const TileKernels& kernels =
      layout.packed ? kernels_->packed[static_cast<int>(traits(layout.format).packing)]
                    : (layout.format == Format::bf16 ? kernels_->bf16 : kernels_->f32);
  float* queries = queries_for(segment);
  turn_out(traits(layout.format).rotates_values);

  const std::byte *tiles[kChunkTiles], *next[kChunkTiles];
  alignas(64) float log_weights[kChunkTiles * kTileEntries];
  for (Index i = first_tile; i < last_tile; ++i) {
    const auto ahead = static_cast<std::size_t>(
        std::min(i + last_tile - first_tile, static_cast<Index>(segment.tiles.size()) - 1));
    next[i - first_tile] = segment.tiles[ahead].data();
    const std::byte* tile = tiles[i - first_tile] =
        segment.tiles[static_cast<std::size_t>(i)].data();
    if (layout.is_weighted())
      std::memcpy(log_weights + (i - first_tile) * kTileEntries, tile + layout.log_weights(),
                  kTileEntries * sizeof(float));
  }
  const Index first = first_tile * kTileEntries;
  const Index entries = std::min(last_tile * kTileEntries, segment.count) - first;
  if (layout.is_weighted())  // of unused slots: whatever the memory held, a NaN maybe
    std::fill(log_weights + entries, log_weights + (last_tile - first_tile) * kTileEntries, 0.0f);
  const Index column = block_->job->tap ? first_entry + first : 0;

  AttentionStrip s;
  s.rows = rows_;
  s.head_dim = head_dim_;
  s.entries = entries;
  s.tiles = tiles;
  s.next = next;
  s.queries = queries;
  s.base = layout.packed ? base_.data() : nullptr;
  s.strip = strip_.data() + column;
  s.stride = stride_;
  s.factors = factors_.data();
  s.out = out_.data();
  s.scratch = kernel_scratch_.data();
  kernels.qk(s);
  softmax(layout.is_weighted() ? log_weights : nullptr, s.strip, first, entries);
  kernels.pv(s);

  if (!block_->job->tap) return;
  for (Index r = 0; r < rows_; ++r)
    std::fill(strip_.data() + r * stride_ + written_, strip_.data() + r * stride_ + column, 0.0f);
  written_ = column + entries;
  tap_chunks_.push_back({column, entries});
  shifts_.insert(shifts_.end(), m_.data(), m_.data() + rows_);
}

void BlockRunner::softmax(const float* bias, float* strip, Index first, Index entries) {
  const Index width = round_up(entries, kTileEntries);
  for (Index q = 0; q < block_->queries; ++q) {
    const Index low = std::clamp<Index>(low_.data()[q] - first, 0, width);
    const Index high = std::clamp<Index>(high_.data()[q] - first, 0, entries);
    for (Index r = q * group_; r < (q + 1) * group_; ++r) {
      float* row = strip + r * stride_;
      std::fill_n(row, low, -kInfinity);
      std::fill(row + high, row + width, -kInfinity);
      const float before = m_.data()[r];
      const float sum = kernels_->softmax(row, bias, width, &m_.data()[r]);
      const float factor = before == m_.data()[r] ? 1.0f : std::exp(before - m_.data()[r]);
      factors_.data()[r] = factor;
      l_.data()[r] = l_.data()[r] * factor + sum;
    }
  }
}

// Weights were computed against the maximum so far: brings all chunks to the final one, divides by
// the sum, and calls the tap.
void BlockRunner::show_weights() {
  for (Index r = 0; r < rows_; ++r) {
    float* row = strip_.data() + r * stride_;
    std::fill(row + written_, row + entries_, 0.0f);
    const float l = l_.data()[r];
    for (std::size_t c = 0; c < tap_chunks_.size(); ++c) {
      const float shift =
          shifts_[c * static_cast<std::size_t>(rows_) + static_cast<std::size_t>(r)];
      const float factor =
          shift == -kInfinity || l == 0 ? 0.0f : std::exp(shift - m_.data()[r]) / l;
      kernels_->scale(row + tap_chunks_[c].column, factor, tap_chunks_[c].entries);
    }
  }
  WeightBlock weights;
  weights.job = block_->job_index;
  weights.layer = options_->layer;
  weights.kv_head = block_->kv_head;
  weights.first_query = block_->first_query;
  weights.queries = block_->queries;
  weights.group = group_;
  weights.entries = entries_;
  weights.stride = stride_;
  weights.weights = strip_.data();
  weights.thread = thread_;
  block_->job->tap->observe(weights);
}

void BlockRunner::write_result() {
  for (Index r = 0; r < rows_; ++r) {
    const float* from = out_.data() + r * head_dim_;
    if (block_->state) {
      float* to = block_->state + r * (head_dim_ + 2);
      std::copy_n(from, head_dim_, to);
      to[head_dim_] = m_.data()[r];
      to[head_dim_ + 1] = l_.data()[r];
      continue;
    }
    const Index row = (block_->first_query + r / group_) * options_->query_heads +
                      block_->kv_head * group_ + r % group_;
    float* to = block_->job->out.data() + row * head_dim_;
    const float l = l_.data()[r], factor = l > 0 ? 1 / l : 0.0f;
    for (Index d = 0; d < head_dim_; ++d) to[d] = from[d] * factor;
  }
}

}  // namespace pith::cache
