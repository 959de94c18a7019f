#include "engine/signals/second_pass.h"

#include "engine/signals/attention_sums.h"
#include "engine/signals/observer.h"
#include "kernels/vector.h"

namespace pith {
namespace {

class MaximaObserver final : public ReadObserver, private cache::AttentionTap {
 public:
  MaximaObserver(Engine& engine, recipe::Signals& signals)
      : shape_(engine.cache_shape()),
        query_heads_(engine.config().query_heads),
        signals_(signals),
        by_thread_({.max = true}, engine.pool().size()) {}

  // Layers with a sliding window hold other entries, and are not compressed.
  cache::AttentionTap* tap(Index layer) override {
    return shape_.window(layer) > 0 ? nullptr : this;
  }

  void end_layer(Index layer) override {
    by_thread_.merge({}, signals_.layers[static_cast<std::size_t>(layer)].second_pass);
  }

 private:
  void observe(const cache::WeightBlock& block) override {
    const Index T = signals_.tokens;
    float* most = by_thread_.of(block, query_heads_ * T).max.data();
    for (Index r = 0; r < block.queries * block.group; ++r)
      vector_kernels().raise(1.0f, block.weights + r * block.stride, T,
                             most + (block.kv_head * block.group + r % block.group) * T);
  }

  cache::Shape shape_;
  Index query_heads_;
  recipe::Signals& signals_;
  AttentionSums by_thread_;  // [Hq, T] of the layer at hand
};

}  // namespace

void second_pass(const Context& context, const Progress& progress, recipe::Signals& signals) {
  Engine& engine = context.engine();
  const auto size = static_cast<std::size_t>(engine.config().query_heads * signals.tokens);
  for (auto& layer : signals.layers) layer.second_pass.assign(size, 0.0f);
  Context fork = context.fork();
  MaximaObserver observer(engine, signals);
  const std::vector<Token> tokens = context.tokens();
  fork.read(tokens, &observer, progress);
}

}  // namespace pith
