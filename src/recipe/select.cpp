#include "recipe/select.h"

#include <algorithm>
#include <numeric>

namespace pith::recipe {

std::vector<std::int32_t> best_entries(std::span<const float> scores, Index count) {
  std::vector<std::int32_t> order;
  order.reserve(scores.size());
  for (std::int32_t j = 0; j < std::ssize(scores); ++j)
    if (scores[j] != kNever) order.push_back(j);
  if (count < std::ssize(order)) {
    count = std::max<Index>(count, 0);
    std::nth_element(order.begin(), order.begin() + count, order.end(),
                     [&](std::int32_t a, std::int32_t b) {
                       return scores[a] != scores[b] ? scores[a] > scores[b] : a > b;
                     });
    order.resize(static_cast<std::size_t>(count));
    std::sort(order.begin(), order.end());
  }
  return order;
}

void best_jointly(const Scores& scores, std::span<const Index> lanes, Index total,
                  std::span<const Index> sure, Selection& selection) {
  struct Candidate {
    float score;
    std::int32_t entry;
    std::int32_t lane;
  };
  std::vector<Candidate> candidates;
  selection.sure.resize(scores.lanes.size());
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const auto& lane = scores.lanes[lanes[i]];
    auto& keep = selection.keep[lanes[i]];
    keep = best_entries(lane, std::min(sure[i], total));
    total -= selection.sure[lanes[i]] = std::ssize(keep);
    auto kept = keep.begin();
    for (std::int32_t j = 0; j < std::ssize(lane); ++j) {
      if (kept != keep.end() && *kept == j)
        ++kept;
      else if (lane[j] != kNever)
        candidates.push_back({lane[j], j, static_cast<std::int32_t>(lanes[i])});
    }
  }
  if (total < std::ssize(candidates)) {
    std::nth_element(candidates.begin(), candidates.begin() + total, candidates.end(),
                     [](const Candidate& a, const Candidate& b) {
                       if (a.score != b.score) return a.score > b.score;
                       return a.entry != b.entry ? a.entry > b.entry : a.lane < b.lane;
                     });
    candidates.resize(static_cast<std::size_t>(total));
  }
  for (const Candidate& c : candidates) selection.keep[c.lane].push_back(c.entry);
  for (Index lane : lanes) std::sort(selection.keep[lane].begin(), selection.keep[lane].end());
}

}  // namespace pith::recipe
