// triattention: logits that queries of coming positions are expected to give, pair by pair of the
// rotation. Unrotated queries of pair f have the complex mean E q_f and the mean length E |q_f|;
// for a key k_f at distance D, over the offsets o = 1, 2, 4, ...:
//     s = mean_o sum_f |E q_f| |k_f| cos(w_f (D + o) + arg(E q_f conj k_f))
//         + sum_f (E |q_f| - |E q_f|) |k_f|
// that is, what is certain of the query as a trigonometric series, and what is not by its size;
// maximum over the group. The statistics are the context's own (the paper's: of other texts).

#include <algorithm>
#include <cmath>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

// The mean query as it would stand, rotated, at next_position + o: then its product with keys as
// the cache holds them is the first sum.
std::vector<float> series(const Scene& scene, Index layer, const float* mean, Index horizon) {
  const Index half = scene.shape().head_dim / 2;
  const auto& all = scene.cache().rotation().inverse_frequencies;
  std::vector<float> out(static_cast<std::size_t>(2 * half));
  for (Index i = 0; i < half; ++i) {
    const double w = all.empty() ? 0 : all[layer][i];
    double c = 0, s = 0, count = 0;
    for (Index offset = 1; offset <= horizon; offset *= 2, ++count) {
      const double angle = w * static_cast<double>(scene.signals().next_position - 1 + offset);
      c += std::cos(angle);
      s += std::sin(angle);
    }
    const double a = double{mean[i]}, b = double{mean[i + half]};
    out[i] = static_cast<float>((a * c - b * s) / count);
    out[i + half] = static_cast<float>((b * c + a * s) / count);
  }
  return out;
}

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const Index depth = scene.shape().head_dim, half = depth / 2, group = scene.group();
  const LayerSignals& signals = scene.layer(layer);
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head), n = scene.size(lane);
    const std::vector<float> keys = scene.keys(lane);
    std::vector<float> lengths(static_cast<std::size_t>(n * half));
    for (Index j = 0; j < n; ++j)
      for (Index i = 0; i < half; ++i)
        lengths[j * half + i] = std::hypot(keys[j * depth + i], keys[j * depth + half + i]);
    std::fill(lanes[head].begin(), lanes[head].end(), kNever);
    for (Index g = 0; g < group; ++g) {
      const float* mean = signals.query_mean.data() + (head * group + g) * depth;
      const float* magnitude = signals.query_magnitude.data() + (head * group + g) * half;
      const auto anchor = series(scene, layer, mean, arguments.integer("horizon"));
      std::vector<float> spread;
      for (Index i = 0; i < half; ++i)
        spread.push_back(std::max(magnitude[i] - std::hypot(mean[i], mean[i + half]), 0.0f));
      for (Index j = 0; j < n; ++j)
        lanes[head][j] = std::max(lanes[head][j], dot(anchor.data(), &keys[j * depth], depth) +
                                                      dot(spread.data(), &lengths[j * half], half));
    }
  }
}

}  // namespace

PartInfo triattention_part() {
  return {.name = "triattention",
          .kind = PartKind::scorer,
          .summary = "logits of coming queries: their mean as a trigonometric series, plus spread",
          .source = "TriAttention, arXiv 2604.04921",
          .cost = Cost::keys,
          .parameters = {integer("horizon", "512", 1, 1 << 20,
                                 "the farthest position ahead; offsets double up to it")},
          .needs =
              [](const Arguments&) {
                return SignalNeeds{.query_means = true, .query_magnitudes = true};
              },
          .score = score};
}

}  // namespace pith::recipe
