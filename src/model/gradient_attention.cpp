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

// The first `size` floats of a buffer that never shrinks; they hold anything.
std::span<float> room(Floats& buffer, Index size) {
  const auto n = static_cast<std::size_t>(size);
  if (buffer.size() < n) buffer.resize(n);
  return std::span(buffer).first(n);
}

// x [rows, cols] -> [cols - first, rows], of the columns from `first` on.
std::span<const float> transpose(std::span<const float> x, Index cols, Index first,
                                 Floats& buffer) {
  const Index rows = static_cast<Index>(x.size()) / cols, count = cols - first;
  const auto out = room(buffer, count * rows);
  constexpr Index kTile = 16;  // rows whose stores share cache lines
  for (Index begin = 0; begin < rows; begin += kTile) {
    const Index end = std::min(begin + kTile, rows);
    for (Index c = 0; c < count; ++c)
      for (Index r = begin; r < end; ++r) out[c * rows + r] = x[r * cols + first + c];
  }
  return out;
}

// What the heads of a group see: the past and then the rows.
struct Entries {
  Floats keys, values;  // [n + R, D]
  Floats log_weights;   // [n + R]
};

// Working memory is kept by the threads, as that of products is: allocated anew for every layer,
// its pages would cost as much as a product.
struct Workspace {
  Activations activations;
  ThreadPool alone{1};  // an item's products run on its own thread
  Floats queries, douts, logits, dlogits, left, sums;
};
Workspace& workspace() {
  thread_local Workspace own;
  return own;
}

// The entries of every KV head. They belong to the calling thread.
std::span<const Entries> gather_entries(const AttentionShape& shape, const AttentionRows& rows,
                                        ThreadPool& pool) {
  thread_local std::vector<Entries> lanes;
  lanes.resize(static_cast<std::size_t>(shape.kv_heads));
  const Index D = shape.head_dim;
  pool.run(2 * shape.kv_heads, [&, all = lanes.data()](Index item, int) {
    const Index kv = item / 2;
    const PastLane& past = rows.past[static_cast<std::size_t>(kv)];
    const bool is_keys = item % 2 == 0;
    Floats& to = is_keys ? all[kv].keys : all[kv].values;
    to = is_keys ? past.keys : past.values;
    const auto from = is_keys ? rows.keys : rows.values;
    for (Index r = 0; r < shape.rows; ++r) {
      const float* row = from.data() + (r * shape.kv_heads + kv) * D;
      to.insert(to.end(), row, row + D);
    }
    if (!is_keys) return;
    all[kv].log_weights = past.log_weights;
    all[kv].log_weights.resize(past.log_weights.size() + static_cast<std::size_t>(shape.rows));
  });
  return lanes;
}

// One query head's block of rows, and the products over it.
class Block {
 public:
  Block(const AttentionShape& shape, const AttentionRows& rows, std::span<const Entries> lanes,
        Index head, Index first)
      : shape_(shape),
        rows_(rows),
        past_(rows.past[static_cast<std::size_t>(head / group(shape))]),
        entries_(lanes[static_cast<std::size_t>(head / group(shape))]),
        head_(head),
        first_(first),
        count_(std::min(kBlock, shape.rows - first)),
        seen_(past_.size() + first + count_) {}

  static Index group(const AttentionShape& shape) { return shape.query_heads / shape.kv_heads; }
  Index count() const { return count_; }  // rows of the block
  Index seen() const { return seen_; }    // entries before the block's end
  Index item(Index r) const { return (first_ + r) * shape_.query_heads + head_; }  // of [R, Hq]

  // The block's part of [R, Hq, D], times a factor, as [count, D].
  std::span<const float> gather(std::span<const float> from, float factor, Floats& buffer) const {
    const Index D = shape_.head_dim;
    const auto out = room(buffer, count_ * D);
    for (Index r = 0; r < count_; ++r)
      scaled(factor, from.data() + item(r) * D, out.data() + r * D);
    return out;
  }
  // Its row r put into [R, Hq, D], times a factor.
  void put(Index r, float factor, const float* row, std::span<float> out) const {
    scaled(factor, row, out.data() + item(r) * shape_.head_dim);
  }

  // Of the entries that the block sees: [seen, D].
  std::span<const float> keys() const { return seen_part(entries_.keys); }
  std::span<const float> values() const { return seen_part(entries_.values); }

  // Logits [count, seen] of scaled queries; what a row does not see is minus infinity.
  std::span<float> logits(std::span<const float> queries, Floats& buffer) const {
    const auto out = multiply(queries, keys(), entries_.log_weights.data(), buffer);
    for (Index r = 0; r < count_; ++r) hide(out.data() + r * seen_, first_ + r);
    return out;
  }

  // x [count, D] times the transpose of w [seen, D]; `bias` [seen] may be null.
  std::span<float> multiply(std::span<const float> x, std::span<const float> w, const float* bias,
                            Floats& buffer) const {
    const auto y = room(buffer, count_ * seen_);
    Workspace& own = workspace();
    own.activations.prepare(x, count_, shape_.head_dim, Numerics::exact, own.alone);
    const Product product{matrix(w, seen_), bias, y.data(), seen_};
    pith::multiply(own.activations, std::span(&product, 1), own.alone);
    return y;
  }

  // out [tokens, D] = y [tokens, n] times w [n, D]; with `add`, onto what it holds.
  void combine(std::span<const float> y, std::span<const float> w, std::span<float> out,
               bool add) const {
    const Index n = static_cast<Index>(w.size()) / shape_.head_dim;
    multiply_transposed(y, static_cast<Index>(y.size()) / n, matrix(w, n), Numerics::exact, out,
                        workspace().alone, active_isa(), add);
  }
  // The same with the entries that the block sees: [count, D].
  std::span<const float> combine_seen(std::span<const float> y, std::span<const float> w) const {
    const auto out = room(workspace().sums, count_ * shape_.head_dim);
    combine(y, w, out, false);
    return out;
  }

 private:
  WeightMatrix matrix(std::span<const float> w, Index rows) const {
    return {WeightType::f32, rows, shape_.head_dim, reinterpret_cast<const std::byte*>(w.data())};
  }
  std::span<const float> seen_part(const Floats& all) const {
    return std::span(all).first(static_cast<std::size_t>(seen_ * shape_.head_dim));
  }
  void scaled(float factor, const float* from, float* to) const {
    for (Index d = 0; d < shape_.head_dim; ++d) to[d] = factor * from[d];
  }
  void hide(float* row, Index own) const {
    const Index n = past_.size();
    std::fill(row + n + own + 1, row + seen_, kUnseen);
    if (shape_.window == 0) return;
    const Index low = rows_.positions[static_cast<std::size_t>(own)] - shape_.window;
    for (Index j = 0; j < n; ++j)
      if (past_.positions[static_cast<std::size_t>(j)] <= static_cast<float>(low)) row[j] = kUnseen;
    for (Index r = 0; r <= own; ++r)
      if (rows_.positions[static_cast<std::size_t>(r)] <= low) row[n + r] = kUnseen;
  }

  const AttentionShape& shape_;
  const AttentionRows& rows_;
  const PastLane& past_;
  const Entries& entries_;
  Index head_, first_, count_, seen_;
};

// What every query head adds to the gradients of its KV head's entries from `from` on, before they
// are added in the order of the heads: [Hq, n + R - from, D].
struct HeadSums {
  Floats keys, values;
};

// One query head's rows, block after block. The last block sees all entries, and is the first to
// write sums for them.
void head_backward(const AttentionShape& shape, const AttentionRows& rows,
                   std::span<const Entries> lanes, Index head, std::span<const float> out,
                   std::span<const float> log_sums, std::span<const float> dout, Index from,
                   std::span<float> dqueries, std::span<float> dkeys, std::span<float> dvalues) {
  const auto& kernels = vector_kernels();
  const Index D = shape.head_dim;
  Workspace& own = workspace();
  const Index last = (shape.rows - 1) / kBlock * kBlock;
  for (Index first = last; first >= 0; first -= kBlock) {
    const Block block(shape, rows, lanes, head, first);
    const Index seen = block.seen();
    const auto queries = block.gather(rows.queries, shape.scale, own.queries);
    const auto douts = block.gather(dout, 1, own.douts);
    const auto weights = block.logits(queries, own.logits);
    const auto dlogits = block.multiply(douts, block.values(), nullptr, own.dlogits);
    for (Index r = 0; r < block.count(); ++r) {
      const Index item = block.item(r);
      float *p = weights.data() + r * seen, *ds = dlogits.data() + r * seen;
      kernels.exp_sum(p, log_sums[static_cast<std::size_t>(item)], seen, p);
      const float along = kernels.dot(dout.data() + item * D, out.data() + item * D, D);
      for (Index j = 0; j < seen; ++j) ds[j] = p[j] * (ds[j] - along);
    }
    const auto moved = block.combine_seen(dlogits, block.keys());
    for (Index r = 0; r < block.count(); ++r)
      block.put(r, shape.scale, moved.data() + r * D, dqueries);
    block.combine(transpose(dlogits, seen, from, own.left), queries, dkeys, first < last);
    block.combine(transpose(weights, seen, from, own.left), douts, dvalues, first < last);
  }
}

}  // namespace

void attend_rows(const AttentionShape& shape, const AttentionRows& rows, std::span<float> out,
                 std::span<float> log_sums, ThreadPool& pool) {
  const auto& kernels = vector_kernels();
  const auto lanes = gather_entries(shape, rows, pool);
  const Index blocks = ceil_div(shape.rows, kBlock);
  pool.run(shape.query_heads * blocks, [&](Index i, int) {
    Workspace& own = workspace();
    const Block block(shape, rows, lanes, i / blocks, i % blocks * kBlock);
    const auto weights =
        block.logits(block.gather(rows.queries, shape.scale, own.queries), own.logits);
    const Index seen = block.seen();
    float sums[kBlock];
    for (Index r = 0; r < block.count(); ++r) {
      float* row = weights.data() + r * seen;
      const float top = kernels.max(row, seen);
      sums[r] = kernels.exp_sum(row, top, seen, row);
      log_sums[static_cast<std::size_t>(block.item(r))] = top + std::log(sums[r]);
    }
    const auto attended = block.combine_seen(weights, block.values());
    for (Index r = 0; r < block.count(); ++r)
      block.put(r, 1 / sums[r], attended.data() + r * shape.head_dim, out);
  });
}

// With p the weights and do the gradient of a row's output: dv_j += p_j do, and for the logits
// ds_j = p_j (do . v_j - do . o).
void attend_rows_backward(const AttentionShape& shape, const AttentionRows& rows,
                          std::span<const float> out, std::span<const float> log_sums,
                          std::span<const float> dout, const AttentionGradients& gradients,
                          ThreadPool& pool) {
  const Index D = shape.head_dim, group = Block::group(shape);
  const auto lanes = gather_entries(shape, rows, pool);
  thread_local HeadSums kept;
  const bool with_past = !gradients.past.empty();
  // One past is as long as another, or each head's sums lie where the longest would put them.
  Index longest = 0;
  for (const PastLane& past : rows.past) longest = std::max(longest, past.size());
  const Index size = ((with_past ? longest : 0) + shape.rows) * D;
  const auto dkeys = room(kept.keys, shape.query_heads * size);
  const auto dvalues = room(kept.values, shape.query_heads * size);
  const auto from_of = [&](Index kv) {
    return with_past ? 0 : rows.past[static_cast<std::size_t>(kv)].size();
  };
  const auto part = [&](std::span<float> all, Index head) {
    return all.subspan(static_cast<std::size_t>(head * size), static_cast<std::size_t>(size));
  };
  pool.run(shape.query_heads, [&](Index head, int) {
    head_backward(shape, rows, lanes, head, out, log_sums, dout, from_of(head / group),
                  gradients.queries, part(dkeys, head), part(dvalues, head));
  });
  const auto add_heads = [&](std::span<float> sums, Index kv, Index j, float* to) {
    for (Index head = kv * group; head < (kv + 1) * group; ++head)
      vector_kernels().axpy(1, part(sums, head).data() + j * D, D, to);
  };
  const auto add_entry = [&](Index j) {
    for (Index kv = 0; kv < shape.kv_heads; ++kv) {
      const Index n = rows.past[static_cast<std::size_t>(kv)].size(), entry = from_of(kv) + j;
      if (entry >= n + shape.rows) continue;
      const Index own = ((entry - n) * shape.kv_heads + kv) * D;
      LaneGradient* past = with_past ? &gradients.past[static_cast<std::size_t>(kv)] : nullptr;
      add_heads(dkeys, kv, j, entry < n ? past->keys.data() + entry * D : &gradients.keys[own]);
      add_heads(dvalues, kv, j,
                entry < n ? past->values.data() + entry * D : &gradients.values[own]);
    }
  };
  constexpr Index kEntries = 16;  // of an item
  const Index entries = size / D;
  pool.run(ceil_div(entries, kEntries), [&](Index item, int) {
    for (Index j = item * kEntries; j < std::min((item + 1) * kEntries, entries); ++j) add_entry(j);
  });
}

}  // namespace pith
