// Attention of new rows over fixed past entries and over each other, with its backward pair, in
// f32, as matrix products over blocks of rows. It reads plain arrays: caches are read out once per
// optimisation, not at every step.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "base/types.h"

namespace pith {

// The entries of one lane that are there before the rows.
struct PastLane {
  std::vector<float> keys, values;  // [n, D], keys rotated
  std::vector<float> log_weights;   // [n]
  std::vector<float> positions;     // [n]; needed where the layer has a window
  Index size() const { return static_cast<Index>(log_weights.size()); }
};

// The gradient with respect to them. Keys are taken as a cache holds them, rotated: that is what a
// learned entry stores.
struct LaneGradient {
  std::vector<float> keys, values;  // [n, D]
};

struct AttentionShape {
  Index rows = 0;  // R new rows; row r sees the past and rows 0 .. r
  Index query_heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 1;
  Index window = 0;  // 0: none; else only positions > own position - window are seen
};

struct AttentionRows {
  std::span<const PastLane> past;    // [Hkv]
  std::span<const Index> positions;  // [R] of the new rows
  std::span<const float> queries;    // [R, Hq, D], rotated
  std::span<const float> keys;       // [R, Hkv, D], rotated
  std::span<const float> values;     // [R, Hkv, D]
};

// out [R, Hq, D], and log_sums [R, Hq]: the logarithm of each row's softmax denominator, which the
// backward pass needs.
void attend_rows(const AttentionShape& shape, const AttentionRows& rows, std::span<float> out,
                 std::span<float> log_sums, ThreadPool& pool);

// Writes the gradient of queries and adds to those of keys and values. `out` and `log_sums` are
// those of attend_rows.
struct AttentionGradients {
  std::span<float> queries;      // [R, Hq, D]
  std::span<float> keys;         // [R, Hkv, D]
  std::span<float> values;       // [R, Hkv, D]
  std::span<LaneGradient> past;  // [Hkv], of the right size; or empty, which costs nothing
};
void attend_rows_backward(const AttentionShape& shape, const AttentionRows& rows,
                          std::span<const float> out, std::span<const float> log_sums,
                          std::span<const float> dout,  // [R, Hq, D]
                          const AttentionGradients& gradients, ThreadPool& pool);

}  // namespace pith
