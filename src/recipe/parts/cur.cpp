// cur: squared norms of keys and values as stand-ins for the leverage of CUR decompositions, each
// as a share of the window of 16 entries in which it stands: s = (k^2 / sum k^2) (v^2 / sum v^2).

#include <algorithm>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

// ||x||^2 of all rows, in the order of positions.
std::vector<float> squares(std::span<const float> rows, std::span<const std::int32_t> order,
                           Index depth) {
  std::vector<float> out;
  for (std::int32_t j : order)
    out.push_back(dot(rows.data() + j * depth, rows.data() + j * depth, depth));
  return out;
}

// Divides by the sum of each window.
void share(std::vector<float>& x, Index window) {
  for (Index first = 0; first < std::ssize(x); first += window) {
    const Index end = std::min(first + window, static_cast<Index>(std::ssize(x)));
    double sum = 0;
    for (Index i = first; i < end; ++i) sum += double{x[i]};
    for (Index i = first; i < end && sum > 0; ++i) x[i] = static_cast<float>(double{x[i]} / sum);
  }
}

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const Index depth = scene.shape().head_dim, window = arguments.integer("window");
  const auto of = arguments.choice("of");
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head), n = scene.size(lane);
    const std::vector<std::int32_t> order = scene.by_position(lane);
    std::vector<float> keys = squares(scene.keys(lane), order, depth),
                       values = squares(scene.values(lane), order, depth);
    if (window > 0) {
      share(keys, window);
      share(values, window);
    }
    for (Index i = 0; i < n; ++i)
      keys[i] = of == "kv_product" ? keys[i] * values[i]
                : of == "kv_avg"   ? (keys[i] + values[i]) / 2
                : of == "value"    ? values[i]
                                   : keys[i];
    share(keys, n);
    for (Index i = 0; i < n; ++i) {
      const bool sink = scene.info(lane)[order[i]].span.begin < arguments.integer("sinks");
      lanes[head][order[i]] = sink ? kForced : keys[i];
    }
  }
}

}  // namespace

PartInfo cur_part() {
  return {.name = "cur",
          .kind = PartKind::scorer,
          .summary = "squared norms of key and value, as shares of their neighbourhood",
          .source = "CurDKV, arXiv 2509.15038",
          .cost = Cost::keys,
          .parameters = {choice("of", {"kv_product", "kv_avg", "key", "value"},
                                "which norms, and how combined"),
                         integer("window", "16", 0, 65536,
                                 "entries of a neighbourhood; 0: all are one"),
                         integer("sinks", "4", 0, 1024, "first tokens that are kept")},
          .score = score};
}

}  // namespace pith::recipe
