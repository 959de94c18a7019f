#include "engine/signals/replay_gradient.h"

#include <cmath>
#include <numeric>

#include "engine/learned/turn_entries.h"
#include "kernels/vector.h"

namespace pith {

std::vector<std::vector<float>> replay_gradients(const Context& seen,
                                                 std::span<const Token> tokens) {
  Engine& engine = seen.engine();
  const Index layers = engine.config().layer_count(), E = engine.config().width;
  const PastLanes past = read_turn(seen.cache(), 0).past;
  GradientPass pass(engine.model(), past, layers, true, engine.options().numerics, engine.pool());
  std::vector<Index> positions(tokens.size());
  std::iota(positions.begin(), positions.end(), seen.next_position());
  pass.forward(token_embeddings(engine.model(), tokens), positions);
  std::vector<float> stream(pass.stream().begin(), pass.stream().end());
  for (float& x : stream) x *= 2;
  std::vector<std::vector<float>> norms(static_cast<std::size_t>(layers));
  pass.backward({}, {}, {.stream = stream, .on_middle = [&](Index layer, auto gradient) {
                           auto& own = norms[static_cast<std::size_t>(layer)];
                           for (std::size_t r = 0; r < tokens.size(); ++r) {
                             const float* row = gradient.data() + static_cast<Index>(r) * E;
                             own.push_back(std::sqrt(vector_kernels().dot(row, row, E)));
                           }
                         }});
  return norms;
}

}  // namespace pith
