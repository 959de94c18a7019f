#include "kernels/hadamard.h"

#include <cmath>
#include <cstdint>

namespace pith {
namespace {

// Signs come from one splitmix64 step each: saved caches depend on them.
void flip_signs(float* x, Index head_dim) {
  for (Index d = 0; d < head_dim; ++d) {
    std::uint64_t z = (static_cast<std::uint64_t>(d) + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    if ((z >> 63) != 0) x[d] = -x[d];
  }
}

template <Index kStride>
void butterflies(float* x, Index head_dim) {
  for (Index first = 0; first < head_dim; first += 2 * kStride)
    for (Index i = first; i < first + kStride; ++i) {
      const float a = x[i], b = x[i + kStride];
      x[i] = a + b;
      x[i + kStride] = a - b;
    }
}

void transform(float* x, Index head_dim) {
  const Index block = head_dim & -head_dim;
  if (block >= 2) butterflies<1>(x, head_dim);
  if (block >= 4) butterflies<2>(x, head_dim);
  if (block >= 8) butterflies<4>(x, head_dim);
  for (Index stride = 8; stride < block; stride *= 2)
    for (Index first = 0; first < head_dim; first += 2 * stride)
      for (Index i = first; i < first + stride; i += 8)
        for (Index k = i; k < i + 8; ++k) {
          const float a = x[k], b = x[k + stride];
          x[k] = a + b;
          x[k + stride] = a - b;
        }
  const float scale = 1 / std::sqrt(static_cast<float>(block));
  for (Index d = 0; d < head_dim; ++d) x[d] *= scale;
}

}  // namespace

void rotate_hadamard(float* x, Index rows, Index head_dim) {
  for (Index r = 0; r < rows; ++r) {
    flip_signs(x + r * head_dim, head_dim);
    transform(x + r * head_dim, head_dim);
  }
}

void unrotate_hadamard(float* x, Index rows, Index head_dim) {
  for (Index r = 0; r < rows; ++r) {
    transform(x + r * head_dim, head_dim);
    flip_signs(x + r * head_dim, head_dim);
  }
}

}  // namespace pith
