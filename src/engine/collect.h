// Collects the signals of a prefill that recipes asked for: queries of the window, moments of
// queries, attention received. The replay has its own observer (replay.h).
#pragma once

#include <optional>
#include <vector>

#include "engine/engine.h"
#include "engine/observer.h"
#include "engine/query_sample.h"
#include "recipe/signals.h"

namespace pith {

class SignalCollector final : public ReadObserver, private cache::AttentionTap {
 public:
  // For a context of `tokens` tokens, read from position 0, of which `prefix` are the chat
  // template's.
  SignalCollector(Engine& engine, const recipe::SignalNeeds& needs, Index tokens, Index prefix);

  bool wants_unrotated() const override { return needs_.query_moments; }
  void begin_chunk(Index first, Index rows) override;
  void unrotated(Index layer, std::span<const float> hidden,
                 std::span<const float> queries) override;
  void rotated(Index layer, std::span<const float> queries) override;
  cache::AttentionTap* tap(Index layer) override;
  void end_layer(Index layer) override;

  // The signals; call once, after the last chunk.
  recipe::Signals finish();

 private:
  void observe(const cache::WeightBlock& block) override;
  bool wants_attention() const { return needs_.attention_sum || needs_.attention_max; }

  struct Moments {  // of one layer, about a shift (the mean of its first chunk) that keeps f32 sums
                    // accurate
    std::vector<float> shift;          // [Hq, D]
    std::vector<double> sum, product;  // [Hq, D], [Hq, D, D]
    Index count = 0;
  };
  struct ThreadSums {  // of the layer at hand: merged in thread order, so the sum does not depend
                       // on the schedule
    std::vector<float> sum, max;  // [Hq, T]
    bool used = false;
  };

  Engine& engine_;
  recipe::SignalNeeds needs_;
  recipe::Signals signals_;
  std::vector<Moments> moments_;
  std::vector<ThreadSums> sums_;
  std::vector<float> centred_;
  std::optional<QuerySample> sample_;  // of the document's queries
  cache::Rotation rotation_;
  Index prefix_ = 0, first_ = 0, rows_ = 0;
};

// Captures the rotated queries of everything that is read: the question's.
class QueryCapture final : public ReadObserver {
 public:
  QueryCapture(const Engine& engine, Index tokens);
  void begin_chunk(Index first, Index rows) override;
  void rotated(Index layer, std::span<const float> queries) override;
  std::vector<std::vector<float>> take() { return std::move(queries_); }  // [L][Hq, tokens, D]

 private:
  Index heads_, head_dim_, tokens_, first_ = -1, offset_ = 0, rows_ = 0;
  std::vector<std::vector<float>> queries_;
};

}  // namespace pith
