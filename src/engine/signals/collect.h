// Collects the signals of a prefill that recipes asked for: queries of the window, moments of
// queries, attention received, attention inside chunks, calibrated predictions. The replay, the
// virtual one and the second pass have files of their own (replay.h, collect_echo.h,
// second_pass.h).
#pragma once

#include <optional>
#include <vector>

#include "engine/engine.h"
#include "engine/signals/attention_sums.h"
#include "engine/signals/chunk_rows.h"
#include "engine/signals/collect_echo.h"
#include "engine/signals/observer.h"
#include "engine/signals/query_sample.h"
#include "engine/signals/rotated_moments.h"
#include "recipe/signals.h"

namespace pith {

class SignalCollector final : public ReadObserver, private cache::AttentionTap {
 public:
  // For a context of `tokens` tokens, read from position 0, of which `prefix` are the chat
  // template's.
  SignalCollector(Engine& engine, const recipe::SignalNeeds& needs, Index tokens, Index prefix);

  // What a plain prefill can skip: with none of these, nobody needs to watch it.
  static bool watches(const recipe::SignalNeeds& needs);

  bool wants_unrotated() const override {
    return needs_.measures_queries() || echo_.has_value() || needs_.kvzap;
  }
  void begin_chunk(Index first, Index rows) override;
  void unrotated(Index layer, std::span<const float> hidden,
                 std::span<const float> queries) override;
  void stored(Index layer, std::span<const float> keys, std::span<const float> values) override;
  void rotated(Index layer, std::span<const float> queries) override;
  cache::AttentionTap* tap(Index layer) override;
  void end_layer(Index layer) override;

  // The signals; call once, after the last chunk, with the context that was read and the surprisal
  // of its tokens, if that was wanted.
  recipe::Signals finish(const Context& context, std::vector<float> surprisal = {});

 private:
  void observe(const cache::WeightBlock& block) override;
  void collect_moments(Index layer, std::span<const float> queries);
  void collect_magnitudes(Index layer, std::span<const float> queries);
  void predict(Index layer, std::span<const float> hidden);
  void look_up_calibration();
  void finish_moments();
  void collect_local(Index layer, std::span<const float> queries);
  bool wants_attention() const { return needs_.attention_sum || needs_.attention_max; }

  struct Moments {  // of one layer, about a shift (the mean of its first chunk) that keeps f32 sums
                    // accurate
    std::vector<float> shift;          // [Hq, D]
    std::vector<double> sum, product;  // [Hq, D], [Hq, D, D]
    std::vector<double> magnitude;     // [Hq, D/2]
    Index count = 0;
  };

  Engine& engine_;
  recipe::SignalNeeds needs_;
  recipe::Signals signals_;
  std::vector<Moments> moments_;
  AttentionSums sums_;
  std::vector<float> centred_;
  std::vector<ChunkRows> local_;  // one for each kind
  std::vector<float> keys_;       // [R, Hkv, D] of the layer at hand
  std::optional<EchoCollector> echo_;
  std::vector<std::vector<float>> kvzap_;  // [L][Hkv, E + 1]
  std::optional<RotatedMoments> rotated_moments_;
  std::optional<QuerySamples> samples_;  // of the document's queries behind the prefix
  cache::Rotation rotation_;
  Index prefix_ = 0, first_ = 0, rows_ = 0;
};

// Captures the rotated queries and keys of everything that is read: the question's.
class QueryCapture final : public ReadObserver {
 public:
  QueryCapture(const Engine& engine, Index tokens);
  void begin_chunk(Index first, Index rows) override;
  void stored(Index layer, std::span<const float> keys, std::span<const float> values) override;
  void rotated(Index layer, std::span<const float> queries) override;
  std::vector<std::vector<float>> take() { return std::move(queries_); }    // [L][Hq, tokens, D]
  std::vector<std::vector<float>> take_keys() { return std::move(keys_); }  // [L][Hkv, tokens, D]

 private:
  void place(std::span<const float> rows, Index heads, std::vector<float>& out) const;

  Index heads_, kv_heads_, head_dim_, tokens_, first_ = -1, offset_ = 0, rows_ = 0;
  std::vector<std::vector<float>> queries_, keys_;
};

}  // namespace pith
