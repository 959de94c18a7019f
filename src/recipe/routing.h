// Routing: which chunks of the context a question asks for. It keeps nothing: route does.
#pragma once

#include <string_view>
#include <vector>

#include "recipe/chunks.h"
#include "recipe/scene.h"

namespace pith::recipe {

// The routers of S0 (research, sources 1.3):
//   A  attention mass that the question's tokens place on the chunk, every layer normalised to 1
//   B  mean over question tokens and heads of q . mean key of the chunk: needs only summaries
//   C  the largest per-token term of A in the chunk
// The first tokens (sinks and chat prefix) count for no chunk: they draw a quarter of all
// attention. Summed over `layers`. A chunk of such tokens only scores kNever.
std::vector<float> route_scores(const Scene& scene, const std::vector<Chunk>& chunks,
                                std::string_view router, std::span<const Index> layers);

// Random scores instead, for the control arm.
std::vector<float> random_routes(const Scene& scene, const std::vector<Chunk>& chunks,
                                 std::uint64_t seed);

}  // namespace pith::recipe
