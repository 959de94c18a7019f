// The scorer that kvzip and kvzip_plus share: scores per token from a replay of the context.
#pragma once

#include "recipe/parts/parts.h"

namespace pith::recipe {

// `signal` is [Hkv, T] of the layer; writes [Hkv][n].
void score_replay(const Scene& scene, const Arguments& arguments, Index layer,
                  std::span<const float> signal, std::span<std::vector<float>> lanes);
std::vector<Parameter> replay_parameters();    // of whatever is scored so
std::vector<Parameter> replayed_parameters();  // ... and of how the context is repeated

}  // namespace pith::recipe
