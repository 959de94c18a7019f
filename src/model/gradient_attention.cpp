#include "model/gradient_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/vector.h"

namespace pith {
namespace {

constexpr float kUnseen = -std::numeric_limits<float>::infinity();

// The logits of one query row over the past and the new rows up to its own: [n + row + 1].
void logits_of(const AttentionShape& shape, const AttentionRows& rows, Index row, Index head,
               std::vector<float>& logits) {
  const Index D = shape.head_dim, kv = head / (shape.query_heads / shape.kv_heads);
  const PastLane& past = rows.past[static_cast<std::size_t>(kv)];
  const Index n = past.size();
  const auto& kernels = vector_kernels();
  const float* query = rows.queries.data() + (row * shape.query_heads + head) * D;
  logits.resize(static_cast<std::size_t>(n + row + 1));
  for (Index j = 0; j < n; ++j)
    logits[static_cast<std::size_t>(j)] =
        shape.scale * kernels.dot(query, past.keys.data() + j * D, D) +
        past.log_weights[static_cast<std::size_t>(j)];
  for (Index i = 0; i <= row; ++i)
    logits[static_cast<std::size_t>(n + i)] =
        shape.scale * kernels.dot(query, rows.keys.data() + (i * shape.kv_heads + kv) * D, D);
  if (shape.window == 0) return;
  const auto low = static_cast<float>(rows.positions[static_cast<std::size_t>(row)] - shape.window);
  for (Index j = 0; j < n; ++j)
    if (past.positions[static_cast<std::size_t>(j)] <= low)
      logits[static_cast<std::size_t>(j)] = kUnseen;
  for (Index i = 0; i <= row; ++i)
    if (static_cast<float>(rows.positions[static_cast<std::size_t>(i)]) <= low)
      logits[static_cast<std::size_t>(n + i)] = kUnseen;
}

}  // namespace

void attend_rows(const AttentionShape& shape, const AttentionRows& rows, std::span<float> out,
                 std::span<float> log_sums, ThreadPool& pool) {
  const Index D = shape.head_dim, group = shape.query_heads / shape.kv_heads;
  const auto& kernels = vector_kernels();
  pool.run(shape.rows * shape.query_heads, [&](Index item, int) {
    thread_local std::vector<float> logits;
    const Index row = item / shape.query_heads, head = item % shape.query_heads, kv = head / group;
    const PastLane& past = rows.past[static_cast<std::size_t>(kv)];
    logits_of(shape, rows, row, head, logits);
    const auto n = static_cast<Index>(logits.size());
    const float top = kernels.max(logits.data(), n);
    const float sum = kernels.exp_sum(logits.data(), top, n, logits.data());
    log_sums[static_cast<std::size_t>(item)] = top + std::log(sum);
    float* to = out.data() + item * D;
    std::fill_n(to, D, 0.0f);
    for (Index j = 0; j < past.size(); ++j)
      kernels.axpy(logits[static_cast<std::size_t>(j)] / sum, past.values.data() + j * D, D, to);
    for (Index i = 0; i <= row; ++i)
      kernels.axpy(logits[static_cast<std::size_t>(past.size() + i)] / sum,
                   rows.values.data() + (i * shape.kv_heads + kv) * D, D, to);
  });
}

// With p the weights and do the gradient of a row's output: dv_j += p_j do, and for the logits
// ds_j = p_j (do . v_j - do . o). One KV head at a time, so that its keys and values have one
// writer.
void attend_rows_backward(const AttentionShape& shape, const AttentionRows& rows,
                          std::span<const float> out, std::span<const float> log_sums,
                          std::span<const float> dout, const AttentionGradients& gradients,
                          ThreadPool& pool) {
  const Index D = shape.head_dim, group = shape.query_heads / shape.kv_heads;
  const auto& kernels = vector_kernels();
  const auto each = [&](Index head, Index first_row, Index last_row, float* dkeys, float* dvalues) {
    std::vector<float> logits;
    const Index kv = head / group;
    const PastLane& past = rows.past[static_cast<std::size_t>(kv)];
    const Index n = past.size();
    for (Index row = first_row; row < last_row; ++row) {
      const Index item = row * shape.query_heads + head;
      logits_of(shape, rows, row, head, logits);
      kernels.exp_sum(logits.data(), log_sums[static_cast<std::size_t>(item)],
                      static_cast<Index>(logits.size()), logits.data());
      const float* query = rows.queries.data() + item * D;
      const float* gradient = dout.data() + item * D;
      const float along = kernels.dot(gradient, out.data() + item * D, D);
      float* dquery = gradients.queries.data() + item * D;
      for (Index j = 0; j < n; ++j) {
        const float p = logits[static_cast<std::size_t>(j)];
        if (p == 0) continue;
        const float ds = p * (kernels.dot(gradient, past.values.data() + j * D, D) - along);
        kernels.axpy(shape.scale * ds, past.keys.data() + j * D, D, dquery);
      }
      for (Index i = 0; i <= row; ++i) {
        const float p = logits[static_cast<std::size_t>(n + i)];
        const Index at = i * shape.kv_heads + kv;
        const float ds = p * (kernels.dot(gradient, rows.values.data() + at * D, D) - along);
        kernels.axpy(shape.scale * ds, rows.keys.data() + at * D, D, dquery);
        kernels.axpy(shape.scale * ds, query, D, dkeys + i * D);
        kernels.axpy(p, gradient, D, dvalues + i * D);
      }
    }
  };
  // Sums over the rows and heads of a group: one item per query head and stretch of rows, each with
  // sums of its own that are added in the order of items, so that the schedule does not matter.
  const Index stretches = std::clamp<Index>(shape.rows / 16, 1, 4), size = shape.rows * D;
  const Index items = shape.query_heads * stretches;
  std::vector<float> dkeys(static_cast<std::size_t>(items * size)), dvalues(dkeys.size());
  pool.run(items, [&](Index item, int) {
    const Index head = item / stretches, stretch = item % stretches;
    each(head, shape.rows * stretch / stretches, shape.rows * (stretch + 1) / stretches,
         dkeys.data() + item * size, dvalues.data() + item * size);
  });
  for (Index item = 0; item < items; ++item) {
    const Index kv = item / stretches / group;
    for (Index i = 0; i < shape.rows; ++i) {
      const Index to = (i * shape.kv_heads + kv) * D, from = item * size + i * D;
      kernels.axpy(1.0f, dkeys.data() + from, D, gradients.keys.data() + to);
      kernels.axpy(1.0f, dvalues.data() + from, D, gradients.values.data() + to);
    }
  }
}

}  // namespace pith
