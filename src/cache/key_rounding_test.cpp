#include "cache/key_rounding.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "base/rng.h"
#include "kernels/hadamard.h"

namespace pith::cache {
namespace {

std::vector<float> normal(Index n, Rng& rng) {
  std::vector<float> out;
  for (Index i = 0; i < n; ++i) out.push_back(static_cast<float>(rng.normal()));
  return out;
}

// Queries that look mostly along a few directions, and their second moment.
struct Queries {
  std::vector<float> rows, moment;  // [n, D], [D, D]
  Queries(Index n, Index dim, Rng& rng) {
    const std::vector<float> directions = normal(4 * dim, rng);
    for (Index i = 0; i < n; ++i) {
      const std::vector<float> mix = normal(4, rng), rest = normal(dim, rng);
      for (Index d = 0; d < dim; ++d) {
        float q = 0.1f * rest[d];
        for (Index k = 0; k < 4; ++k) q += mix[k] * directions[k * dim + d];
        rows.push_back(q);
      }
    }
    for (Index a = 0; a < dim; ++a)
      for (Index b = 0; b < dim; ++b) {
        float sum = 0;
        for (Index i = 0; i < n; ++i) sum += rows[i * dim + a] * rows[i * dim + b];
        moment.push_back(sum / static_cast<float>(n));
      }
  }
};

// Root mean square of what the queries see of a key's rounding.
double seen(const Queries& queries, const std::vector<float>& key, Grid grid,
            const std::vector<std::uint8_t>& codes) {
  const Index dim = std::ssize(key), n = std::ssize(queries.rows) / dim;
  double sum = 0;
  for (Index i = 0; i < n; ++i) {
    double error = 0;
    for (Index d = 0; d < dim; ++d)
      error += queries.rows[i * dim + d] *
               (key[d] - (to_float(grid.scale) * codes[d] + to_float(grid.zero)));
    sum += error * error;
  }
  return std::sqrt(sum / static_cast<double>(n));
}

TEST(KeyRounding, QueriesSeeLessThanOfTheNearestCodes) {
  Rng rng(3);
  const Queries queries(200, 64, rng);
  const KeyRounding rounding(queries.moment, 64, false);
  for (const Packing packing : {Packing::int2, Packing::int3, Packing::int4, Packing::int8}) {
    double plain = 0, rounded = 0;
    std::vector<std::uint8_t> codes(64);
    for (int i = 0; i < 20; ++i) {
      const std::vector<float> key = normal(64, rng);
      plain += seen(queries, key, quantize(packing, key.data(), 64, codes.data()), codes);
      rounded += seen(queries, key, rounding.quantize(packing, key.data(), codes.data()), codes);
    }
    EXPECT_LT(rounded, 0.25 * plain);
  }
}

// A rotated key is rounded for queries that are rotated likewise.
TEST(KeyRounding, TheMomentTurnsWithTheKeys) {
  Rng rng(4);
  Queries queries(200, 64, rng);
  const KeyRounding rounding(queries.moment, 64, true), unturned(queries.moment, 64, false);
  rotate_hadamard(queries.rows.data(), 200, 64);
  double turned = 0, wrong = 0;
  std::vector<std::uint8_t> codes(64);
  for (int i = 0; i < 20; ++i) {
    const std::vector<float> key = normal(64, rng);
    turned += seen(queries, key, rounding.quantize(Packing::int4, key.data(), codes.data()), codes);
    wrong += seen(queries, key, unturned.quantize(Packing::int4, key.data(), codes.data()), codes);
  }
  EXPECT_LT(turned, 0.3 * wrong);
}

// Two numbers whose errors add up for the queries: the second one makes up for the first.
TEST(KeyRounding, ErrorsAreMadeUpFor) {
  const std::vector<float> moment = {1, 0.99f, 0.99f, 1}, key = {0, 15, 7.4f, 7.4f};
  std::vector<float> of_four(16);
  for (Index a = 2; a < 4; ++a)
    for (Index b = 2; b < 4; ++b) of_four[a * 4 + b] = moment[(a - 2) * 2 + b - 2];
  std::vector<std::uint8_t> codes(4);
  KeyRounding(of_four, 4, false).quantize(Packing::int4, key.data(), codes.data());
  EXPECT_EQ(codes, (std::vector<std::uint8_t>{0, 15, 7, 8}));  // nearest: 7 and 7
}

TEST(KeyRounding, NoQueriesAskForTheNearestCodes) {
  Rng rng(5);
  const std::vector<float> key = normal(64, rng), none(64 * 64);
  std::vector<std::uint8_t> codes(64), nearest(64);
  const Grid grid = KeyRounding(none, 64, true).quantize(Packing::int4, key.data(), codes.data());
  EXPECT_EQ(grid.scale.bits, quantize(Packing::int4, key.data(), 64, nearest.data()).scale.bits);
  EXPECT_EQ(codes, nearest);
}

// One direction alone: the others still count a little, so nothing runs away.
TEST(KeyRounding, AMomentOfOneDirectionLeavesTheOthersInReach) {
  std::vector<float> moment(64 * 64);
  moment[0] = 1;
  Rng rng(6);
  const std::vector<float> key = normal(64, rng);
  std::vector<std::uint8_t> codes(64);
  const Grid grid = KeyRounding(moment, 64, true).quantize(Packing::int4, key.data(), codes.data());
  double error = 0;
  for (std::size_t d = 0; d < 64; ++d) {
    const double e = key[d] - (to_float(grid.scale) * codes[d] + to_float(grid.zero));
    error += e * e;
  }
  EXPECT_LT(std::sqrt(error / 64), 0.3);
}

}  // namespace
}  // namespace pith::cache
