// Collects signals while a context reads piece by piece and is compressed in between: what queries
// are seen, what attention each source token receives as long as it is there. SignalCollector
// (collect.h) does this for documents that are read whole; it collects more kinds.
#pragma once

#include <optional>
#include <vector>

#include "engine/engine.h"
#include "engine/signals/attention_sums.h"
#include "engine/signals/observer.h"
#include "engine/signals/rotated_moments.h"
#include "recipe/signals.h"

namespace pith {

class StreamCollector final : public ReadObserver, private cache::AttentionTap {
 public:
  // Of `tokens_before` that were read unwatched, everything is zero.
  StreamCollector(Engine& engine, const recipe::SignalNeeds& needs, Index tokens_before = 0);

  // What of the needs cannot be collected piece by piece.
  static recipe::SignalNeeds beyond(recipe::SignalNeeds needs);
  bool watches() const;  // whether it must observe reading at all

  // Before `tokens` more are read into this cache.
  void begin(const cache::Cache& cache, Index tokens);
  // The signals of all tokens so far. They stay valid until the next begin(). `unfinished` ones
  // lack the window and the moments.
  recipe::Signals& signals();
  recipe::Signals& unfinished() { return signals_; }

  bool wants_unrotated() const override { return needs_.query_moments; }
  void begin_chunk(Index first, Index rows) override;
  void unrotated(Index layer, std::span<const float> hidden,
                 std::span<const float> queries) override;
  void rotated(Index layer, std::span<const float> queries) override;
  cache::AttentionTap* tap(Index layer) override;
  void end_layer(Index layer) override;

 private:
  struct Layer {
    std::vector<double> sum, product;  // [Hq, D], [Hq, D, D]: of unrotated queries
    std::vector<float> ring;           // [Hq, window, D]: token t at row t % window
  };

  void observe(const cache::WeightBlock& block) override;
  bool wants_attention() const { return needs_.attention_sum || needs_.attention_max; }

  Engine& engine_;
  recipe::SignalNeeds needs_;
  recipe::Signals signals_;
  std::vector<Layer> layers_;
  std::optional<RotatedMoments> rotated_moments_;
  AttentionSums sums_;
  std::vector<std::vector<cache::Span>> spans_;  // [lanes][entries before the piece at hand]
  Index counted_ = 0;                            // queries in the moments
  Index first_ = 0, rows_ = 0;
};

// Rows of a [rows, before] array, each made `after` long by zeros.
void lengthen_rows(std::vector<float>& array, Index rows, Index before, Index after);

}  // namespace pith
