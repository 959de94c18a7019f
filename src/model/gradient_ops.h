// Backward pairs of the row functions of the forward pass (kernels/vector.h), in f32. Each turns
// the gradient with respect to outputs into that with respect to inputs; weights get none. Names:
// dx is the gradient of the loss with respect to x.
#pragma once

#include "base/types.h"
#include "model/config.h"

namespace pith {

// Of y = x / sqrt(mean(x^2) + eps) * weight (weight may be null): dx += ...; x is the input. In
// double: the weights of a training that diverges grow past what f32 can square, and a gradient of
// zero would make it seem to rest.
void rms_norm_backward(const float* x, const float* weight, const float* dy, float eps, Index n,
                       float* dx);

// Of y = activation(gate) * up: writes dgate and dup. They may be the same memory as gate and up.
void gated_backward(Activation activation, const float* gate, const float* up, const float* dy,
                    Index n, float* dgate, float* dup);

// The derivative of silu at x.
float silu_slope(float x);

}  // namespace pith
