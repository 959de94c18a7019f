#include "recipe/summary_weights.h"

#include <algorithm>
#include <cmath>

#include "recipe/parts/parts.h"
#include "recipe/row_kernels.h"

namespace pith::recipe {

std::vector<float> fitted_log_weights(const Scene& scene, Index lane, const References& references,
                                      std::span<const std::vector<std::int32_t>> missing,
                                      std::span<const float> keys) {
  const Index depth = scene.shape().head_dim, n = scene.size(lane), count = std::ssize(missing);
  const auto info = scene.info(lane);
  const std::vector<float> queries = reference_rows(scene, lane, references);
  const std::vector<float> present = scene.keys(lane);
  const std::vector<float> own =
      times_transposed(queries, std::ssize(queries) / depth, keys, count, depth);

  std::vector<double> wanted(missing.size()), drawn(missing.size());
  Index r = 0;
  for_reference_weights(scene, lane, references, [&](std::span<const float> rows) {
    for (const float* p = rows.data(); p != rows.data() + rows.size(); p += n, ++r) {
      // log Z_r, by the entry that has the largest weight.
      const Index top = std::max_element(p, p + n) - p;
      const double logit = double{dot(&queries[r * depth], &present[top * depth], depth)} +
                           double{info[top].log_weight};
      const double whole = logit - std::log(double{p[top]});
      for (Index c = 0; c < count; ++c) {
        for (std::int32_t j : missing[c]) wanted[c] += double{p[j]};
        drawn[c] += std::exp(double{own[r * count + c]} - whole);
      }
    }
  });
  std::vector<float> out;
  for (std::size_t c = 0; c < missing.size(); ++c)
    out.push_back(static_cast<float>(wanted[c] > 0 && drawn[c] > 0
                                         ? std::log(wanted[c]) - std::log(drawn[c])
                                         : std::log(static_cast<double>(missing[c].size()))));
  return out;
}

}  // namespace pith::recipe
