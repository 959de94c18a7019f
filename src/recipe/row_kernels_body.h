// The loops of row_kernels.h, compiled once per instruction set by the file that includes this one.
// It is not a header for anybody else: everything is local to the including file, so that code for
// a newer machine can never be linked into a path that an older one runs.

#include "recipe/row_kernels.h"

namespace pith::recipe {
namespace {

#if defined(__AVX512F__)
constexpr int kWidth = 16, kRows = 8;
#elif defined(__AVX2__)
constexpr int kWidth = 8, kRows = 4;
#else
constexpr int kWidth = 4, kRows = 2;
#endif
constexpr int kVectors = static_cast<int>(kPanel) / kWidth;
typedef float Vector __attribute__((vector_size(kWidth * sizeof(float)), aligned(4), may_alias));

// Longer rows are taken piece by piece, which keeps a panel's piece in the nearest cache.
constexpr Index kPiece = 512;

// `n` numbers of R rows of `a` against as many of one panel, the R x 16 sums in registers: they go
// on from what `c` holds unless this is the first piece.
template <int R>
void block(const float* a, Index depth, const float* panel, Index n, bool first, float* c,
           Index stride) {
  Vector sum[R][kVectors] = {};
  if (!first)
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < kVectors; ++v)
        sum[r][v] = reinterpret_cast<const Vector*>(c + r * stride)[v];
  for (Index k = 0; k < n; ++k) {
    const Vector* b = reinterpret_cast<const Vector*>(panel + k * kPanel);
    for (int r = 0; r < R; ++r) {
      const float x = a[r * depth + k];
      for (int v = 0; v < kVectors; ++v) sum[r][v] += x * b[v];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < kVectors; ++v) reinterpret_cast<Vector*>(c + r * stride)[v] = sum[r][v];
}

void multiply(const float* a, Index rows, const float* panels, Index count, Index depth, float* c,
              Index stride) {
  for (Index at = 0; at == 0 || at < depth; at += kPiece) {
    const Index n = depth - at < kPiece ? depth - at : kPiece;
    for (Index p = 0; p < count; ++p) {
      const float* panel = panels + (p * depth + at) * kPanel;
      float* out = c + p * kPanel;
      Index i = 0;
      for (; i + kRows <= rows; i += kRows)
        block<kRows>(a + i * depth + at, depth, panel, n, at == 0, out + i * stride, stride);
      for (; i < rows; ++i)
        block<1>(a + i * depth + at, depth, panel, n, at == 0, out + i * stride, stride);
    }
  }
}

// e^x for x <= 0 to 2 ulp: 2^n times a polynomial on [-ln2/2, ln2/2]; 0 below -87.
inline float exp_negative(float x) {
  const float shifted = x * 1.44269504f + 12582912.0f;  // adding 1.5 * 2^23 rounds to an integer
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const int bits = (static_cast<int>(n) + 127) << 23;
  return p * __builtin_bit_cast(float, bits);
}

void softmax_add(float* row, Index n, float* sum) {
  const Index whole = n - n % kPanel;
  float high[kPanel], total[kPanel] = {};
  for (int j = 0; j < kPanel; ++j) high[j] = -3.0e38f;
  for (Index i = 0; i < whole; i += kPanel)
    for (int j = 0; j < kPanel; ++j) high[j] = row[i + j] > high[j] ? row[i + j] : high[j];
  float highest = -3.0e38f;
  for (int j = 0; j < kPanel; ++j) highest = high[j] > highest ? high[j] : highest;
  for (Index i = whole; i < n; ++i) highest = row[i] > highest ? row[i] : highest;

  const auto weigh = [highest](float logit) {
    const float x = logit - highest;
    const float low = x < -87.0f ? -87.0f : x;
    const float e = exp_negative(low);
    return x < -87.0f ? 0.0f : e;
  };
  for (Index i = 0; i < whole; i += kPanel)
    for (int j = 0; j < kPanel; ++j) {
      row[i + j] = weigh(row[i + j]);
      total[j] += row[i + j];
    }
  float all = 0;
  for (Index i = whole; i < n; ++i) all += row[i] = weigh(row[i]);
  for (int j = 0; j < kPanel; ++j) all += total[j];
  const float scale = all > 0 ? 1 / all : 0;
  for (Index i = 0; i < n; ++i) {
    row[i] *= scale;
    sum[i] += row[i];
  }
}

constexpr RowKernels kKernels = {multiply, softmax_add};

}  // namespace
}  // namespace pith::recipe
