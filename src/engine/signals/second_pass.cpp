#include "engine/signals/second_pass.h"

#include <algorithm>

#include "engine/signals/observer.h"

namespace pith {
namespace {

class MaximaObserver final : public ReadObserver, private cache::AttentionTap {
 public:
  MaximaObserver(Engine& engine, recipe::Signals& signals)
      : shape_(engine.cache_shape()),
        size_(static_cast<std::size_t>(engine.config().query_heads * signals.tokens)),
        signals_(signals),
        threads_(static_cast<std::size_t>(engine.pool().size())) {}

  // Layers with a sliding window hold other entries, and are not compressed.
  cache::AttentionTap* tap(Index layer) override {
    return shape_.window(layer) > 0 ? nullptr : this;
  }

  void end_layer(Index layer) override {
    auto& out = signals_.layers[static_cast<std::size_t>(layer)].second_pass;
    for (auto& thread : threads_) {
      for (std::size_t i = 0; i < thread.size(); ++i) out[i] = std::max(out[i], thread[i]);
      thread.clear();
    }
  }

 private:
  void observe(const cache::WeightBlock& block) override {
    auto& most = threads_[static_cast<std::size_t>(block.thread)];
    most.resize(size_);
    for (Index r = 0; r < block.queries * block.group; ++r) {
      const float* weights = block.weights + r * block.stride;
      float* to = most.data() + (block.kv_head * block.group + r % block.group) * signals_.tokens;
      for (Index j = 0; j < signals_.tokens; ++j) to[j] = std::max(to[j], weights[j]);
    }
  }

  cache::Shape shape_;
  std::size_t size_;
  recipe::Signals& signals_;
  std::vector<std::vector<float>> threads_;  // [Hq, T] of the layer at hand
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
