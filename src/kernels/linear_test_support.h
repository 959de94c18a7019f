// Random weights with what they stand for, for the tests of products.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/rng.h"
#include "kernels/linear.h"

namespace pith {

inline std::vector<float> normal(Index count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

// A matrix of random weights of one type, with its bytes and its dequantised values [N, K].
struct Weights {
  std::vector<std::byte> bytes;
  std::vector<float> values;
  WeightMatrix matrix;

  Weights(WeightType type, Index rows, Index cols, std::uint64_t seed) {
    matrix = {type, rows, cols, nullptr};
    bytes.resize(static_cast<std::size_t>(matrix.row_bytes() * rows));
    values = normal(rows * cols, seed);
    matrix.data = bytes.data();
    for (Index n = 0; n < rows; ++n) {
      const std::span<float> row(values.data() + n * cols, static_cast<std::size_t>(cols));
      quantize(type, row, bytes.data() + n * matrix.row_bytes());
      dequantize(matrix, n, 0, cols, row);
    }
  }
};

}  // namespace pith
