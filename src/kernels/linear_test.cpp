#include "kernels/linear.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"

namespace pith {
namespace {

TEST(Linear, QuantizeThenDequantizeIsClose) {
  Rng rng(3);
  std::vector<float> row(512), back(512);
  for (float& v : row) v = static_cast<float>(rng.normal());
  for (WeightType type : kWeightTypes) {
    WeightMatrix w{type, 1, 512, nullptr};
    std::vector<std::byte> bytes(static_cast<std::size_t>(w.row_bytes()));
    quantize(type, row, bytes.data());
    w.data = bytes.data();
    dequantize(w, 0, 0, 512, back);
    double error = 0, norm = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      error += (row[i] - back[i]) * (row[i] - back[i]);
      norm += row[i] * row[i];
    }
    EXPECT_LT(error / norm, info(type).bytes * 8 <= 5 * info(type).block ? 8e-3 : 2e-3)
        << info(type).name;
  }
}

}  // namespace
}  // namespace pith
