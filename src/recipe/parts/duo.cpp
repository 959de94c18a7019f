// duo: heads that look far need all entries, others sinks and recent ones only. A head's score is
// that of a stand-in: its mean query at the end of `span` positions that all hold its mean key,
// both unrotated before. The mean of the running sum of that attention is near 0 for a head that
// looks at recent tokens, 1/2 for one that looks anywhere.

#include <algorithm>
#include <cmath>

#include "recipe/leverage.h"
#include "recipe/parts/parts.h"
#include "recipe/row_kernels.h"

namespace pith::recipe {
namespace {

// The area under the running sum of attention over `span` positions, the last of which looks.
float reach(const float* query, const float* key, std::span<const double> frequencies, Index depth,
            Index span, float scale) {
  const Index half = depth / 2;
  std::vector<float> logits, unused(static_cast<std::size_t>(span));
  for (Index p = 0; p < span; ++p) {
    double sum = 0;
    for (Index i = 0; i < half; ++i) {
      const double angle =
          frequencies.empty() ? 0 : frequencies[i] * static_cast<double>(span - 1 - p);
      const double real = double{query[i]} * key[i] + double{query[i + half]} * key[i + half];
      const double imaginary = double{query[i + half]} * key[i] - double{query[i]} * key[i + half];
      sum += real * std::cos(angle) - imaginary * std::sin(angle);
    }
    logits.push_back(static_cast<float>(sum) * scale);
  }
  row_kernels().softmax_add(logits.data(), span, unused.data());
  double area = 0, seen = 0;
  for (float weight : logits) area += seen += double{weight};
  return static_cast<float>(area / static_cast<double>(span));
}

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const Index depth = scene.shape().head_dim, group = scene.group(),
              tokens = scene.signals().tokens, sinks = arguments.integer("sinks");
  const auto& all = scene.cache().rotation().inverse_frequencies;
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    const auto info = scene.info(lane);
    const std::vector<float> keys = unrotated_keys(scene, lane);
    std::vector<float> mean(static_cast<std::size_t>(depth));
    Index counted = 0;
    for (Index j = 0; j < std::ssize(info); ++j) {
      if (info[j].span.begin < sinks && tokens > sinks) continue;  // sinks are unlike the rest
      ++counted;
      for (Index i = 0; i < depth; ++i) mean[i] += keys[j * depth + i];
    }
    for (float& x : mean) x /= static_cast<float>(std::max<Index>(counted, 1));
    float total = 0;
    for (Index g = 0; g < group; ++g) {
      const float own = reach(scene.layer(layer).query_mean.data() + (head * group + g) * depth,
                              mean.data(), all.empty() ? std::span<const double>() : all[layer],
                              depth, arguments.integer("span"), scene.signals().attention_scale);
      total = scene.worst_case() ? std::max(total, own) : total + own;
    }
    if (!scene.worst_case()) total /= static_cast<float>(group);
    for (std::size_t j = 0; j < info.size(); ++j)
      lanes[head][j] =
          info[j].span.begin < sinks || info[j].span.end > tokens - arguments.integer("recent")
              ? kForced
              : total;
  }
}

}  // namespace

PartInfo duo_part() {
  return {.name = "duo",
          .kind = PartKind::scorer,
          .summary = "heads that look far keep all, others sinks and recent tokens",
          .source = "DuoAttention, arXiv 2410.10819; scores on the fly as in kvpress",
          .cost = Cost::moments,
          .parameters = {integer("sinks", "128", 0, 65536, "first tokens, kept by every head"),
                         integer("recent", "256", 0, 1 << 20, "newest tokens, kept by every head"),
                         integer("span", "500", 2, 65536, "positions of the stand-in")},
          .needs = [](const Arguments&) { return SignalNeeds{.query_means = true}; },
          .score = score,
          .default_allocator = "global"};
}

}  // namespace pith::recipe
