// lagkv: tokens whose key and value differ among channels, measured on the scale of the next
// stretch. Partitions P of `lag` entries after the sinks; N the partition after P; per channel
//     x^ = (x - min_N) / (max_N - min_N),  s = softmax over P of the standard deviation of x^
// over channels; the mean of keys' and values' s, as a rank within P. The last partition and what
// follows it have no reference: they are kept.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

// s of one partition; all arrays are [lag, D] in the order of positions.
std::vector<float> spread(const float* rows, const float* next, Index lag, Index depth) {
  std::vector<float> low(next, next + depth), scale(low), out(static_cast<std::size_t>(lag));
  for (Index i = depth; i < lag * depth; ++i) {
    low[i % depth] = std::min(low[i % depth], next[i]);
    scale[i % depth] = std::max(scale[i % depth], next[i]);
  }
  for (Index c = 0; c < depth; ++c)  // a channel that does not vary says nothing
    scale[c] = scale[c] > low[c] ? 1 / (scale[c] - low[c]) : 0;
  for (Index t = 0; t < lag; ++t) {
    double sum = 0, square = 0;
    for (Index c = 0; c < depth; ++c) sum += double{(rows[t * depth + c] - low[c]) * scale[c]};
    const double mean = sum / static_cast<double>(depth);
    for (Index c = 0; c < depth; ++c) {
      const double x = double{(rows[t * depth + c] - low[c]) * scale[c]} - mean;
      square += x * x;
    }
    out[t] = static_cast<float>(std::sqrt(square / std::max(1.0, static_cast<double>(depth - 1))));
  }
  const float highest = *std::max_element(out.begin(), out.end());
  float total = 0;
  for (float& s : out) total += s = std::exp(s - highest);
  for (float& s : out) s /= total;
  return out;
}

std::vector<float> in_order(std::vector<float> rows, std::span<const std::int32_t> order,
                            Index depth) {
  if (std::is_sorted(order.begin(), order.end())) return rows;
  std::vector<float> out;
  for (std::int32_t j : order)
    out.insert(out.end(), rows.begin() + j * depth, rows.begin() + (j + 1) * depth);
  return out;
}

void score_lane(const Scene& scene, const Arguments& arguments, Index lane,
                std::vector<float>& out) {
  const Index n = scene.size(lane), depth = scene.shape().head_dim;
  const Index sinks = std::min(arguments.integer("sinks"), n);
  Index lag = arguments.integer("lag");
  const std::vector<std::int32_t> order = scene.by_position(lane);
  std::fill(out.begin(), out.end(), kForced);
  if (n - sinks < 2 * lag) {
    if (arguments.kvpress_quirk()) {
      for (Index i = sinks; i < n; ++i)
        out[order[i]] = static_cast<float>(i - sinks) / static_cast<float>(n - sinks);
      return;
    }
    lag = (n - sinks) / 2;
    if (lag == 0) return;
  }
  const std::vector<float> keys = in_order(scene.keys(lane), order, depth),
                           values = in_order(scene.values(lane), order, depth);
  std::vector<std::int32_t> rank(static_cast<std::size_t>(lag));
  for (Index first = sinks; first + 2 * lag <= n; first += lag) {
    std::vector<float> s = spread(&keys[first * depth], &keys[(first + lag) * depth], lag, depth);
    const auto of_values =
        spread(&values[first * depth], &values[(first + lag) * depth], lag, depth);
    for (Index t = 0; t < lag; ++t) s[t] = (s[t] + of_values[t]) / 2;
    if (!arguments.flag("cross")) {
      std::iota(rank.begin(), rank.end(), 0);
      std::sort(rank.begin(), rank.end(),
                [&](std::int32_t a, std::int32_t b) { return s[a] != s[b] ? s[a] < s[b] : a < b; });
      for (Index r = 0; r < lag; ++r)
        out[order[first + rank[r]]] = static_cast<float>(r) / static_cast<float>(lag);
    } else {
      for (Index t = 0; t < lag; ++t) out[order[first + t]] = s[t];
    }
  }
}

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  for (Index head = 0; head < scene.shape().kv_heads; ++head)
    score_lane(scene, arguments, scene.shape().lane(layer, head), lanes[head]);
}

}  // namespace

PartInfo lagkv_part() {
  return {.name = "lagkv",
          .kind = PartKind::scorer,
          .summary = "keys and values that stand out on the scale of the stretch that follows",
          .source = "LagKV, arXiv 2504.04704",
          .cost = Cost::keys,
          .parameters =
              {integer("lag", "128", 1, 65536,
                       "entries of a partition; halved context if it holds less than two"),
               integer("sinks", "4", 0, 1024, "first entries: kept, in no partition"),
               flag("cross", "false",
                    "let partitions compete by their scores; else by ranks, so that each keeps "
                    "the same share"),
               quirk("kvpress keeps the newest tokens where the context is shorter than sinks and "
                     "two partitions. Without it partitions shrink to half of what there is")},
          .score = score};
}

}  // namespace pith::recipe
