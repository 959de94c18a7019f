// chunk_mean: entries live and die by chunks: each takes the mean score of its chunk over all
// heads of the layer, so that words and facts stay whole (ChunkKV).

#include <algorithm>

#include "recipe/parts/parts.h"
#include "recipe/select.h"

namespace pith::recipe {
namespace {

// kvpress keeps max(1, int(chunks * (1 - removed))) whole chunks and counts a partial last one as
// one: the share of entries that is kept can be far from what was asked for. Pinned entries of
// other chunks stay besides.
void keep_whole_chunks(const Scene& scene, std::span<const float> chunks, Index size, Index lane,
                       Scores& scores) {
  const auto kept = best_entries(chunks, kept_of(std::ssize(chunks), *scene.room().removed));
  scores.quota.resize(scores.lanes.size());
  for (Index j = 0; j < scene.size(lane); ++j) {
    const auto chunk = static_cast<std::int32_t>(token_of(scene.info(lane)[j]) / size);
    float& s = scores.lanes[lane][j];
    if (s == kPinned || std::binary_search(kept.begin(), kept.end(), chunk))
      ++scores.quota[lane];
    else
      s = kNever;
  }
}

void adjust(const Scene& scene, const Arguments& arguments, Scores& scores) {
  const Index size = arguments.integer("chunk"), heads = scene.shape().kv_heads;
  for (Index layer : scene.layers()) {
    std::vector<double> sum(static_cast<std::size_t>(ceil_div(scene.signals().tokens, size)));
    std::vector<Index> count(sum.size());
    std::vector<float> mean(sum.size(), kNever);  // a protected entry protects its chunk
    for (Index lane = layer * heads; lane < (layer + 1) * heads; ++lane) {
      for (Index j = 0; j < scene.size(lane); ++j) {
        const Index chunk = token_of(scene.info(lane)[j]) / size;
        const float s = scores.lanes[lane][j];
        if (is_protected(s)) {
          mean[chunk] = kForced;
        } else if (is_computed(s)) {
          sum[chunk] += s;
          ++count[chunk];
        }
      }
    }
    for (std::size_t c = 0; c < sum.size(); ++c)
      if (!is_protected(mean[c]) && count[c] > 0)
        mean[c] = static_cast<float>(sum[c] / static_cast<double>(count[c]));
    for (Index lane = layer * heads; lane < (layer + 1) * heads; ++lane) {
      for (Index j = 0; j < scene.size(lane); ++j)
        if (float& s = scores.lanes[lane][j]; s != kPinned)
          s = mean[token_of(scene.info(lane)[j]) / size];
      if (arguments.kvpress_quirk()) keep_whole_chunks(scene, mean, size, lane, scores);
    }
  }
}

std::string_view required_allocator(const Arguments& arguments) {
  return arguments.kvpress_quirk() ? "uniform" : "";
}

}  // namespace

PartInfo chunk_mean_part() {
  return {.name = "chunk_mean",
          .kind = PartKind::adjuster,
          .summary = "entries take the mean score of their chunk over all heads of the layer",
          .source = "ChunkKV, arXiv 2502.00299",
          .cost = Cost::columns,
          .parameters = {integer("chunk", "20", 1, 65536, "tokens of a chunk"),
                         quirk("kvpress rounds down to whole chunks and counts a partial last one "
                               "as whole: 10 chunks at 0.8 keep one, whatever its length. Without "
                               "it the budget is met and the last chunk is cut")},
          .adjust = adjust,
          .required_allocator = required_allocator,
          .requires_fraction = [](const Arguments& a) { return a.kvpress_quirk(); }};
}

}  // namespace pith::recipe
