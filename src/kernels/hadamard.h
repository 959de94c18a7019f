// A fixed orthonormal rotation of vectors: random signs, then a Hadamard matrix, in blocks of the
// largest power of two that divides the dimension. It spreads what a few dimensions hold over all,
// so that quantisation finds no outliers (QuIP#, arXiv 2402.04396; SAW-INT4). It is the same on
// every machine and for every model.
#pragma once

#include "base/types.h"

namespace pith {

// x <- H S x and x <- S H x, its inverse; row by row.
void rotate_hadamard(float* x,  // [rows, D]
                     Index rows, Index head_dim);
void unrotate_hadamard(float* x,  // [rows, D]
                       Index rows, Index head_dim);

}  // namespace pith
