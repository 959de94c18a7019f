// chunked: every chunk of the context keeps the same share, so that no stretch is emptied.

#include <algorithm>

#include "recipe/parts/parts.h"
#include "recipe/select.h"

namespace pith::recipe {
namespace {

// What each chunk of `sizes` entries keeps. Fractions follow kvpress' rule per chunk, max(1, int(n
// * (1 - removed))), as far as the lane's share goes; other budgets are split evenly.
std::vector<Index> chunk_quotas(const std::vector<Index>& sizes, const Room& room, Index lane) {
  std::vector<Index> quota;
  Index share = room.lane[lane], all = 0, seen = 0, given = 0;
  for (Index n : sizes) all += n;
  if (all == 0) return std::vector<Index>(sizes.size());
  for (Index n : sizes) {
    if (room.removed) {
      quota.push_back(static_cast<Index>(static_cast<double>(n) * (1 - *room.removed)));
    } else {
      seen += n;
      quota.push_back(share * seen / all - given);
    }
    given += quota.back();
  }
  for (std::size_t c = 0; c < sizes.size(); ++c) {
    if (given < share && quota[c] == 0 && sizes[c] > 0) {
      ++quota[c];
      ++given;
    }
  }
  // Summaries have taken part of the share: the longest chunks give way.
  for (; given > share; --given) --*std::max_element(quota.begin(), quota.end());
  return quota;
}

Selection allocate(const Scene& scene, const Arguments& arguments, const Scores& scores) {
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  const Index length = arguments.integer("chunk");
  for (Index lane : scene.lanes()) {
    std::vector<std::vector<std::int32_t>> members(
        static_cast<std::size_t>(ceil_div(scene.signals().tokens, length)));
    for (std::int32_t j = 0; j < scene.size(lane); ++j)
      members[token_of(scene.info(lane)[j]) / length].push_back(j);
    std::vector<Index> sizes;
    for (const auto& chunk : members) sizes.push_back(std::ssize(chunk));
    const std::vector<Index> quota = chunk_quotas(sizes, scene.room(), lane);
    for (std::size_t c = 0; c < members.size(); ++c) {
      std::vector<float> own;
      for (std::int32_t j : members[c]) own.push_back(scores.lanes[lane][j]);
      for (std::int32_t best : best_entries(own, quota[c]))
        selection.keep[lane].push_back(members[c][best]);
    }
    std::sort(selection.keep[lane].begin(), selection.keep[lane].end());
  }
  return selection;
}

}  // namespace

PartInfo chunked_part() {
  return {.name = "chunked",
          .kind = PartKind::allocator,
          .summary = "every chunk of the context keeps the same share",
          .source = "kvpress ChunkPress; FINCH",
          .cost = Cost::columns,
          .parameters = {integer("chunk", "1024", 1, 1 << 20,
                                 "tokens of a chunk (S1's contexts are shorter than the default: "
                                 "take 64 or 128 there)")},
          .allocate = allocate,
          .owns_choice = true};
}

}  // namespace pith::recipe
