// The vector kernels, written once over a struct V of operations. It is not a header in the usual
// sense: each instruction set includes it inside its own anonymous namespace, after defining V.
//
// V has: Reg, kWidth, zero(), all(a), load(p), store(p, v), load(p, n), store(p, n, v) for n <
// kWidth (lanes past n are zero or left alone), add, sub, mul, div, min, max, fma(a, b, c) = ab +
// c, nearest(a), scale2(a, n) = a 2^n for integral n in [-126, 127], keep_ge(a, x, least) = x >=
// least ? a : 0, sum(v), most(v).

constexpr float kLeastExponent = -87.33654f;  // ln of the smallest normal f32
constexpr float kMostExponent = 88.72283f;    // ln of the largest
constexpr float kInfinity = __builtin_inff();

// e^x: x = n ln 2 + r, |r| <= ln(2)/2, then the Taylor polynomial of degree 7 (error below 1e-8).
inline V::Reg exponential(V::Reg x) {
  const V::Reg clamped = V::min(V::all(kMostExponent), V::max(V::all(kLeastExponent), x));
  const V::Reg n = V::nearest(V::mul(clamped, V::all(1.44269504f)));
  V::Reg r = V::fma(n, V::all(-0.693359375f), clamped);  // ln 2 in two parts, the first exact
  r = V::fma(n, V::all(2.12194440e-4f), r);
  V::Reg p = V::all(1.98412698e-4f);
  for (float c : {1.38888889e-3f, 8.33333333e-3f, 4.16666667e-2f, 1.66666667e-1f, 0.5f, 1.0f, 1.0f})
    p = V::fma(p, r, V::all(c));
  // 2^128 is no f32: one factor of two is applied on its own.
  const V::Reg half = V::min(n, V::all(127));
  const V::Reg rest = V::add(V::all(1), V::sub(n, half));
  return V::keep_ge(V::mul(V::scale2(p, half), rest), x, V::all(kLeastExponent));
}

// x / (1 + e^-u)
inline V::Reg sigmoid_mul(V::Reg x, V::Reg u) {
  return V::div(x, V::add(V::all(1), exponential(V::sub(V::zero(), u))));
}

// Calls step(i, load, store) for whole registers, then once for the rest with masked accesses.
template <typename Step>
inline void sweep(Index n, Step step) {
  Index i = 0;
  for (; i + V::kWidth <= n; i += V::kWidth)
    step([i](const float* p) { return V::load(p + i); },
         [i](float* p, V::Reg v) { V::store(p + i, v); });
  if (i < n)
    step([i, n](const float* p) { return V::load(p + i, n - i); },
         [i, n](float* p, V::Reg v) { V::store(p + i, n - i, v); });
}

inline float dot(const float* a, const float* b, Index n) {
  V::Reg sums[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
  Index i = 0;
  for (; i + 4 * V::kWidth <= n; i += 4 * V::kWidth)
    for (int j = 0; j < 4; ++j)
      sums[j] = V::fma(V::load(a + i + j * V::kWidth), V::load(b + i + j * V::kWidth), sums[j]);
  for (; i + V::kWidth <= n; i += V::kWidth)
    sums[0] = V::fma(V::load(a + i), V::load(b + i), sums[0]);
  if (i < n) sums[1] = V::fma(V::load(a + i, n - i), V::load(b + i, n - i), sums[1]);
  return V::sum(V::add(V::add(sums[0], sums[1]), V::add(sums[2], sums[3])));
}

inline void rms_norm(const float* x, const float* weight, float eps, Index n, float* y) {
  const float mean = dot(x, x, n) / static_cast<float>(n);
  const V::Reg scale = V::all(1 / __builtin_sqrtf(mean + eps));
  if (weight)
    sweep(n,
          [=](auto load, auto store) { store(y, V::mul(V::mul(load(x), scale), load(weight))); });
  else
    sweep(n, [=](auto load, auto store) { store(y, V::mul(load(x), scale)); });
}

inline void silu_mul(const float* gate, const float* up, Index n, float* y) {
  sweep(n, [=](auto load, auto store) {
    const V::Reg x = load(gate);
    store(y, V::mul(sigmoid_mul(x, x), load(up)));
  });
}

// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3)
inline void gelu_tanh_mul(const float* gate, const float* up, Index n, float* y) {
  sweep(n, [=](auto load, auto store) {
    const V::Reg x = load(gate);
    const V::Reg cubic = V::fma(V::mul(x, x), V::all(0.0713548162f), V::all(1.59576912f));
    store(y, V::mul(sigmoid_mul(x, V::mul(x, cubic)), load(up)));
  });
}

// Of x s(w), where s is the logistic function and w' = dw/dx: s (1 + x (1 - s) w'), and 1 - s is
// e^-w s. Where e^-w saturates, s is zero to any f32.
inline void gated_backward(V::Reg x, V::Reg w, V::Reg slope, V::Reg up, V::Reg dy, V::Reg& dgate,
                           V::Reg& dup) {
  const V::Reg e = exponential(V::sub(V::zero(), w));
  const V::Reg s = V::div(V::all(1), V::add(V::all(1), e));
  const V::Reg bend = V::mul(V::mul(x, slope), V::mul(e, s));
  dgate = V::mul(V::mul(dy, up), V::fma(s, bend, s));
  dup = V::mul(dy, V::mul(x, s));
}

inline void silu_mul_backward(const float* gate, const float* up, const float* dy, Index n,
                              float* dgate, float* dup) {
  sweep(n, [=](auto load, auto store) {
    V::Reg to_gate, to_up;
    const V::Reg x = load(gate);
    gated_backward(x, x, V::all(1), load(up), load(dy), to_gate, to_up);
    store(dgate, to_gate);
    store(dup, to_up);
  });
}

inline void gelu_tanh_mul_backward(const float* gate, const float* up, const float* dy, Index n,
                                   float* dgate, float* dup) {
  sweep(n, [=](auto load, auto store) {
    V::Reg to_gate, to_up;
    const V::Reg x = load(gate), square = V::mul(x, x);
    const V::Reg w = V::mul(x, V::fma(square, V::all(0.0713548162f), V::all(1.59576912f)));
    const V::Reg slope = V::fma(square, V::all(3 * 0.0713548162f), V::all(1.59576912f));
    gated_backward(x, w, slope, load(up), load(dy), to_gate, to_up);
    store(dgate, to_gate);
    store(dup, to_up);
  });
}

inline void axpy(float a, const float* x, Index n, float* y) {
  const V::Reg factor = V::all(a);
  sweep(n, [=](auto load, auto store) { store(y, V::fma(factor, load(x), load(y))); });
}

inline void rope(float* x, const float* cos, const float* sin, Index head_dim) {
  const Index half = head_dim / 2;
  sweep(half, [=](auto load, auto store) {
    const V::Reg a = load(x), b = load(x + half), c = load(cos), s = load(sin);
    store(x, V::sub(V::mul(a, c), V::mul(b, s)));
    store(x + half, V::fma(a, s, V::mul(b, c)));
  });
}

inline float exp_sum(const float* x, float shift, Index n, float* y) {
  const V::Reg offset = V::all(shift);
  V::Reg sum = V::zero();
  Index i = 0;
  for (; i + V::kWidth <= n; i += V::kWidth) {
    const V::Reg e = exponential(V::sub(V::load(x + i), offset));
    V::store(y + i, e);
    sum = V::add(sum, e);
  }
  float rest = 0;
  if (i < n) {
    const V::Reg e = exponential(V::sub(V::load(x + i, n - i), offset));
    V::store(y + i, n - i, e);
    for (; i < n; ++i) rest += y[i];
  }
  return V::sum(sum) + rest;
}

inline float sum(const float* x, Index n) {
  V::Reg sums[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
  Index i = 0;
  for (; i + 4 * V::kWidth <= n; i += 4 * V::kWidth)
    for (int j = 0; j < 4; ++j) sums[j] = V::add(sums[j], V::load(x + i + j * V::kWidth));
  for (; i + V::kWidth <= n; i += V::kWidth) sums[0] = V::add(sums[0], V::load(x + i));
  if (i < n) sums[1] = V::add(sums[1], V::load(x + i, n - i));
  return V::sum(V::add(V::add(sums[0], sums[1]), V::add(sums[2], sums[3])));
}

inline void raise(float a, const float* x, Index n, float* y) {
  const V::Reg factor = V::all(a);
  sweep(n, [=](auto load, auto store) { store(y, V::max(V::mul(factor, load(x)), load(y))); });
}

inline float max(const float* x, Index n) {
  if (n < V::kWidth) {
    float most = x[0];
    for (Index i = 1; i < n; ++i) most = x[i] > most ? x[i] : most;
    return most;
  }
  V::Reg most = V::load(x);
  for (Index i = V::kWidth; i + V::kWidth <= n; i += V::kWidth) most = V::max(most, V::load(x + i));
  return V::most(V::max(most, V::load(x + n - V::kWidth)));  // overlaps what was seen: harmless
}

constexpr VectorKernels kTable = {
    rms_norm, silu_mul, gelu_tanh_mul, silu_mul_backward, gelu_tanh_mul_backward,
    axpy,     dot,      rope,          exp_sum,           sum,
    raise,    max};
