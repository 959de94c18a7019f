#include "model/gradient_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/linear.h"
#include "kernels/vector.h"

namespace pith {
namespace {

constexpr float kUnseen = -std::numeric_limits<float>::infinity();
constexpr Index kBlock = 64;  // rows at once: their weights fit into a second-level cache

using Floats = std::vector<float>;

void resize(Floats& x, Index size) { x.resize(static_cast<std::size_t>(size)); }

// x [rows, cols] -> [cols, rows], of the columns from `first` on.
void transpose(std::span<const float> x, Index cols, Index first, Floats& out) {
  const Index rows = static_cast<Index>(x.size()) / cols, count = cols - first;
  resize(out, count * rows);
  constexpr Index kTile = 16;  // rows whose stores share cache lines
  for (Index begin = 0; begin < rows; begin += kTile) {
    const Index end = std::min(begin + kTile, rows);
    for (Index c = 0; c < count; ++c)
      for (Index r = begin; r < end; ++r) out[c * rows + r] = x[r * cols + first + c];
  }
}

// What one KV head's block of rows sees, and the products over it.
class Head {
 public:
  Head(const AttentionShape& shape, const AttentionRows& rows, Index kv, ThreadPool& pool)
      : shape_(shape), rows_(rows), kv_(kv), pool_(pool) {
    const PastLane& past = rows.past[static_cast<std::size_t>(kv)];
    past_ = past.size();
    keys_ = past.keys;
    values_ = past.values;
    append(rows.keys, keys_);
    append(rows.values, values_);
  }

  Index past() const { return past_; }
  Index group() const { return shape_.query_heads / shape_.kv_heads; }

  void begin_block(Index first) {
    first_ = first;
    count_ = std::min(kBlock, shape_.rows - first);
    seen_ = past_ + first_ + count_;
  }
  Index first() const { return first_; }
  Index count() const { return count_; }          // rows of the block
  Index seen() const { return seen_; }            // entries before the block's end
  Index all() const { return count_ * group(); }  // rows of matrices: a row and one of its heads

  // The block's part of [R, Hq, D] as [all, D], and back.
  void gather(std::span<const float> from, Floats& out) const {
    resize(out, all() * shape_.head_dim);
    each_row([&](Index at, Index to, Index size) {
      std::copy_n(from.data() + at, size, out.data() + to);
    });
  }
  void scatter_add(const Floats& from, float factor, std::span<float> out) const {
    each_row([&](Index at, Index to, Index size) {
      vector_kernels().axpy(factor, from.data() + to, size, out.data() + at);
    });
  }
  // The block's part of [R, Hq]: element i of [all].
  Index item(Index i) const {
    return (first_ + i / group()) * shape_.query_heads + kv_ * group() + i % group();
  }

  // y [M, N] = x [M, K] times the transpose of w [N, K].
  void multiply(std::span<const float> x, std::span<const float> w, Index cols, Floats& y) {
    const Index m = static_cast<Index>(x.size()) / cols, n = static_cast<Index>(w.size()) / cols;
    resize(y, m * n);
    activations_.prepare(x, m, cols, Numerics::exact, pool_);
    const Product product{{WeightType::f32, n, cols, reinterpret_cast<const std::byte*>(w.data())},
                          nullptr,
                          y.data(),
                          n};
    pith::multiply(activations_, std::span(&product, 1), pool_);
  }

  // Of the entries that the block sees: [seen, D].
  std::span<const float> keys() const { return seen_part(keys_); }
  std::span<const float> values() const { return seen_part(values_); }

  // Logits [all, seen]; what a row does not see is minus infinity.
  void logits(const Floats& queries, Floats& out) {
    multiply(queries, keys(), shape_.head_dim, out);
    const PastLane& past = rows_.past[static_cast<std::size_t>(kv_)];
    pool_.run(all(), [&](Index i, int) {
      float* row = out.data() + i * seen_;
      for (Index j = 0; j < past_; ++j)
        row[j] = shape_.scale * row[j] + past.log_weights[static_cast<std::size_t>(j)];
      for (Index j = past_; j < seen_; ++j) row[j] *= shape_.scale;
      const Index own = first_ + i / group();
      std::fill(row + past_ + own + 1, row + seen_, kUnseen);
      if (shape_.window == 0) return;
      const Index low = rows_.positions[static_cast<std::size_t>(own)] - shape_.window;
      for (Index j = 0; j < past_; ++j)
        if (past.positions[static_cast<std::size_t>(j)] <= static_cast<float>(low))
          row[j] = kUnseen;
      for (Index r = 0; r <= own; ++r)
        if (rows_.positions[static_cast<std::size_t>(r)] <= low) row[past_ + r] = kUnseen;
    });
  }

  // Adds [n, D], of the entries from `first` on, to the gradients of the past and of new rows.
  void add_entries(const Floats& from, Index first, float factor, float* past,
                   std::span<float> rows) const {
    const Index D = shape_.head_dim;
    for (Index j = first; j < seen_; ++j) {
      float* to =
          j < past_ ? past + j * D : rows.data() + ((j - past_) * shape_.kv_heads + kv_) * D;
      vector_kernels().axpy(factor, from.data() + (j - first) * D, D, to);
    }
  }

 private:
  void append(std::span<const float> rows, Floats& to) const {
    const Index D = shape_.head_dim;
    for (Index r = 0; r < shape_.rows; ++r) {
      const float* row = rows.data() + (r * shape_.kv_heads + kv_) * D;
      to.insert(to.end(), row, row + D);
    }
  }
  std::span<const float> seen_part(const Floats& all) const {
    return std::span(all).first(static_cast<std::size_t>(seen_ * shape_.head_dim));
  }
  template <typename Body>
  void each_row(Body body) const {
    const Index size = group() * shape_.head_dim;
    for (Index r = 0; r < count_; ++r)
      body(((first_ + r) * shape_.kv_heads + kv_) * size, r * size, size);
  }

  const AttentionShape& shape_;
  const AttentionRows& rows_;
  Index kv_;
  ThreadPool& pool_;
  Activations activations_;
  Index past_ = 0, first_ = 0, count_ = 0, seen_ = 0;
  Floats keys_, values_;  // [n + R, D]
};

}  // namespace

void attend_rows(const AttentionShape& shape, const AttentionRows& rows, std::span<float> out,
                 std::span<float> log_sums, ThreadPool& pool) {
  const auto& kernels = vector_kernels();
  std::fill(out.begin(), out.end(), 0.0f);
  Floats queries, weights, turned, attended;
  for (Index kv = 0; kv < shape.kv_heads; ++kv) {
    Head head(shape, rows, kv, pool);
    for (Index first = 0; first < shape.rows; first += kBlock) {
      head.begin_block(first);
      head.gather(rows.queries, queries);
      head.logits(queries, weights);
      const Index seen = head.seen();
      pool.run(head.all(), [&](Index i, int) {
        float* row = weights.data() + i * seen;
        const float top = kernels.max(row, seen), sum = kernels.exp_sum(row, top, seen, row);
        log_sums[static_cast<std::size_t>(head.item(i))] = top + std::log(sum);
        for (Index j = 0; j < seen; ++j) row[j] /= sum;
      });
      transpose(head.values(), shape.head_dim, 0, turned);
      head.multiply(weights, turned, seen, attended);
      head.scatter_add(attended, 1, out);
    }
  }
}

// With p the weights and do the gradient of a row's output: dv_j += p_j do, and for the logits
// ds_j = p_j (do . v_j - do . o).
void attend_rows_backward(const AttentionShape& shape, const AttentionRows& rows,
                          std::span<const float> out, std::span<const float> log_sums,
                          std::span<const float> dout, const AttentionGradients& gradients,
                          ThreadPool& pool) {
  const Index D = shape.head_dim;
  const auto& kernels = vector_kernels();
  Floats queries, douts, weights, dlogits, left, right, sums;
  for (Index kv = 0; kv < shape.kv_heads; ++kv) {
    Head head(shape, rows, kv, pool);
    LaneGradient* past =
        gradients.past.empty() ? nullptr : &gradients.past[static_cast<std::size_t>(kv)];
    const Index from = past ? 0 : head.past();
    for (Index first = 0; first < shape.rows; first += kBlock) {
      head.begin_block(first);
      head.gather(rows.queries, queries);
      head.gather(dout, douts);
      head.logits(queries, weights);
      head.multiply(douts, head.values(), D, dlogits);
      const Index seen = head.seen();
      pool.run(head.all(), [&](Index i, int) {
        const auto item = head.item(i);
        float *p = weights.data() + i * seen, *ds = dlogits.data() + i * seen;
        kernels.exp_sum(p, log_sums[static_cast<std::size_t>(item)], seen, p);
        const float along = kernels.dot(dout.data() + item * D, out.data() + item * D, D);
        for (Index j = 0; j < seen; ++j) ds[j] = p[j] * (ds[j] - along);
      });
      transpose(head.keys(), D, 0, right);
      head.multiply(dlogits, right, seen, sums);
      head.scatter_add(sums, shape.scale, gradients.queries);
      transpose(dlogits, seen, from, left);
      transpose(queries, D, 0, right);
      head.multiply(left, right, head.all(), sums);
      head.add_entries(sums, from, shape.scale, past ? past->keys.data() : nullptr, gradients.keys);
      transpose(weights, seen, from, left);
      transpose(douts, D, 0, right);
      head.multiply(left, right, head.all(), sums);
      head.add_entries(sums, from, 1, past ? past->values.data() : nullptr, gradients.values);
    }
  }
}

}  // namespace pith
