#include "model/token_loss.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "kernels/linear.h"
#include "kernels/vector.h"
#include "model/forward.h"
#include "model/logits.h"

namespace pith {
namespace {

constexpr Index kLogits = 16 << 20;  // held at a time
constexpr Index kPiece = 4096;       // rows of the output matrix that are transposed at a time

// The rows of a matrix from `first` on.
WeightMatrix part_of(const WeightMatrix& w, Index first, Index count) {
  return {w.type, count, w.cols, w.row(first)};
}

class Head {
 public:
  Head(const Model& model, Numerics numerics, ThreadPool& pool)
      : config_(model.config()), head_(model.head()), numerics_(numerics), pool_(pool) {}

  Index rows_at_once() const { return std::max<Index>(kLogits / head_.rows, 1); }

  // Logits [rows, V], as the model gives them: with its soft cap.
  void forward(std::span<const float> hidden, std::vector<float>& logits) {
    const Index rows = static_cast<Index>(hidden.size()) / head_.cols;
    logits.resize(static_cast<std::size_t>(rows * head_.rows));
    activations_.prepare(hidden, rows, head_.cols, numerics_, pool_);
    const Product product{head_, nullptr, logits.data(), head_.rows};
    multiply(activations_, std::span(&product, 1), pool_);
    soft_cap(logits, config_.logit_softcap, pool_);
  }

  // Adds the gradient of the hidden states, given that of the logits in front of the soft cap.
  void backward(std::span<const float> dlogits, std::span<float> gradient) {
    const Index V = head_.rows, rows = static_cast<Index>(dlogits.size()) / V;
    std::vector<float> piece;
    for (Index first = 0; first < V; first += kPiece) {
      const Index count = std::min(kPiece, V - first);
      piece.resize(static_cast<std::size_t>(rows * count));
      for (Index r = 0; r < rows; ++r)
        std::copy_n(dlogits.data() + r * V + first, count, piece.data() + r * count);
      multiply_transposed(piece, rows, part_of(head_, first, count), numerics_, gradient, pool_,
                          active_isa(), true);
    }
  }

 private:
  const ModelConfig& config_;
  WeightMatrix head_;
  Numerics numerics_;
  ThreadPool& pool_;
  Activations activations_;
};

// Of one row: the loss, and its logits turned into `factor` times the gradient in front of the cap.
struct RowResult {
  double loss = 0;
  bool hit = false;
};
RowResult row_loss(std::span<float> logits, const RowTarget& target, float cap, float factor) {
  const auto& kernels = vector_kernels();
  const auto size = static_cast<Index>(logits.size());
  const Index best = likeliest(logits);
  const float top = logits[static_cast<std::size_t>(best)];
  const auto heaviest =
      std::max_element(target.begin(), target.end(),
                       [](const auto& a, const auto& b) { return a.weight < b.weight; });
  RowResult out{.loss = 0, .hit = best == heaviest->token};
  double weights = 0;
  for (const auto& [token, weight] : target) {
    weights += double{weight};
    out.loss -= double{weight} * (double{logits[static_cast<std::size_t>(token)]} - double{top});
  }
  std::vector<float> slopes;  // of the soft cap
  if (cap > 0)
    for (const float x : logits) slopes.push_back(1 - x / cap * (x / cap));
  const float sum = kernels.exp_sum(logits.data(), top, size, logits.data());
  out.loss += weights * std::log(double{sum});
  const auto scale = static_cast<float>(double{factor} * weights / double{sum});
  for (float& x : logits) x *= scale;
  for (const auto& [token, weight] : target)
    logits[static_cast<std::size_t>(token)] -= factor * weight;
  for (std::size_t v = 0; v < slopes.size(); ++v) logits[v] *= slopes[v];
  return out;
}

}  // namespace

TokenLoss token_loss(const Model& model, std::span<const float> hidden,
                     std::span<const RowTarget> targets, std::span<float> gradient,
                     Numerics numerics, ThreadPool& pool) {
  const Index E = model.config().width, V = model.head().rows,
              rows = static_cast<Index>(targets.size());
  PITH_CHECK(static_cast<Index>(hidden.size()) == rows * E, "a target for every row");
  std::fill(gradient.begin(), gradient.end(), 0.0f);
  std::vector<Index> asked;
  for (Index r = 0; r < rows; ++r)
    if (!targets[static_cast<std::size_t>(r)].empty()) asked.push_back(r);
  TokenLoss out{.loss = 0, .targets = std::ssize(asked), .hits = 0};
  if (asked.empty()) return out;
  const float factor = 1 / static_cast<float>(asked.size());
  Head head(model, numerics, pool);
  std::vector<float> in, logits, back;
  for (Index first = 0; first < out.targets; first += head.rows_at_once()) {
    const Index count = std::min(head.rows_at_once(), out.targets - first);
    const auto row_of = [&](Index i) { return asked[static_cast<std::size_t>(first + i)]; };
    in.resize(static_cast<std::size_t>(count * E));
    for (Index i = 0; i < count; ++i)
      std::copy_n(hidden.data() + row_of(i) * E, E, in.data() + i * E);
    head.forward(in, logits);
    std::vector<RowResult> results(static_cast<std::size_t>(count));
    pool.run(count, [&](Index i, int) {
      results[static_cast<std::size_t>(i)] = row_loss(
          std::span(logits).subspan(static_cast<std::size_t>(i * V), static_cast<std::size_t>(V)),
          targets[static_cast<std::size_t>(row_of(i))], model.config().logit_softcap, factor);
    });
    for (const RowResult& result : results) {
      out.loss += result.loss / static_cast<double>(out.targets);
      out.hits += result.hit;
    }
    if (gradient.empty()) continue;
    back.assign(in.size(), 0.0f);
    head.backward(logits, back);
    for (Index i = 0; i < count; ++i)
      std::copy_n(back.data() + i * E, E, gradient.data() + row_of(i) * E);
  }
  return out;
}

std::vector<RowTarget> likeliest_tokens(const Model& model, std::span<const float> hidden,
                                        Index count, Numerics numerics, ThreadPool& pool) {
  const Index E = model.config().width, V = model.head().rows,
              rows = static_cast<Index>(hidden.size()) / E;
  PITH_CHECK(count >= 1 && count <= V, "tokens of the vocabulary");
  std::vector<RowTarget> out(static_cast<std::size_t>(rows));
  Head head(model, numerics, pool);
  std::vector<float> logits;
  for (Index first = 0; first < rows; first += head.rows_at_once()) {
    const Index some = std::min(head.rows_at_once(), rows - first);
    head.forward(
        hidden.subspan(static_cast<std::size_t>(first * E), static_cast<std::size_t>(some * E)),
        logits);
    pool.run(some, [&](Index i, int) {
      const float* row = logits.data() + i * V;
      std::vector<Index> order(static_cast<std::size_t>(V));
      std::iota(order.begin(), order.end(), Index{0});
      std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](Index a, Index b) {
        return std::pair(-row[a], a) < std::pair(-row[b], b);
      });
      std::vector<float> odds(row, row + V);
      const float sum = vector_kernels().exp_sum(row, row[order.front()], V, odds.data());
      for (Index k = 0; k < count; ++k) {
        const Index token = order[static_cast<std::size_t>(k)];
        out[static_cast<std::size_t>(first + i)].push_back(
            {token, odds[static_cast<std::size_t>(token)] / sum});
      }
    });
  }
  return out;
}

}  // namespace pith
