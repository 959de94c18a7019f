#include "probe/consensus.h"

#include <algorithm>
#include <map>

namespace pith::probe {

Consensus consensus(std::span<const Index> tops) {
  std::map<Index, Index> heads;
  for (Index top : tops) ++heads[top];
  Index most = 0;
  for (const auto& [token, count] : heads) most = std::max(most, count);
  if (tops.empty()) return {};
  const auto all = static_cast<double>(tops.size());
  return {static_cast<double>(heads.size()) / all, static_cast<double>(most) / all};
}

Index top_token(std::span<const float> weights, std::span<const Index> tokens, Index skip) {
  Index best = -1;
  float most = 0;
  for (std::size_t j = 0; j < weights.size(); ++j) {
    if (tokens[j] < skip || (best >= 0 && weights[j] <= most)) continue;
    best = tokens[j];
    most = weights[j];
  }
  return best;
}

}  // namespace pith::probe
