#include "engine/guard/forced.h"

#include <algorithm>

namespace pith {

void for_predictions(const Context& context, std::span<const Token> prompt,
                     std::span<const Token> continuation,
                     const std::function<void(Index row, std::span<const float> logits)>& use) {
  if (continuation.empty()) return;
  constexpr Index kBlock = 32;  // rows at once: they are vocabulary-wide
  std::vector<Token> tokens(prompt.begin(), prompt.end());
  tokens.insert(tokens.end(), continuation.begin(), continuation.end() - 1);
  Context fork = context.fork();
  Engine& engine = context.engine();
  const Index E = engine.config().width, V = engine.config().vocabulary,
              skip = std::ssize(prompt) - 1;
  std::vector<float> logits(static_cast<std::size_t>(kBlock * V));
  fork.read_states(tokens, [&](Index first, std::span<const float> states) {
    const Index rows = std::ssize(states) / E;
    for (Index row = std::max<Index>(0, skip - first); row < rows; row += kBlock) {
      const Index count = std::min(kBlock, rows - row);
      const auto block = std::span(logits).first(static_cast<std::size_t>(count * V));
      compute_logits(
          engine.model(),
          states.subspan(static_cast<std::size_t>(row * E), static_cast<std::size_t>(count * E)),
          engine.options().numerics, engine.workspace(), engine.pool(), block);
      for (Index r = 0; r < count; ++r)
        use(first + row + r - skip,
            block.subspan(static_cast<std::size_t>(r * V), static_cast<std::size_t>(V)));
    }
  });
}

}  // namespace pith
