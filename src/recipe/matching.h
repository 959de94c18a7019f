// Attention Matching (arXiv 2602.16284): given what a lane answers to reference queries
// (references.h), the closed forms that make fewer entries answer alike: multiplicities that
// restore the mass, values that restore the output, and a greedy choice of keys. Linear algebra
// only: which queries, which entries and what for is decided in parts/match.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"

namespace pith::recipe {

// Rows times the square roots of their weights: least squares then weigh the rows.
void weigh_rows(std::span<const float> weights, std::span<float> matrix);  // [R], [R, width]

// Changes weights that rows of queries gave to `before` into those that they give to `after`, still
// relative to the whole of what they looked at: a_rj <- a_rj exp(q_r.(after_j - before_j)).
void change_keys(std::span<const float> rows, Index depth,                     // [R, D]
                 std::span<const float> before, std::span<const float> after,  // [kept, D]
                 std::span<float> a);                                          // [R, kept]

// The columns `keep` of a matrix.
std::vector<float> columns_of(std::span<const float> matrix, Index width,  // [R, width]
                              std::span<const std::int32_t> keep);         // -> [R, keep]

struct MultiplicityFit {
  float least = 0.0498f, most = 20.086f;  // e^-3 and e^3, the bounds of the published code
  float ridge = 1e-3f;                    // pulls towards 1, relative to the mean squared column
  std::span<const float> mass = {};       // [R] what each row shall come to; empty: 1
  Index iterations = 40;
};
// How often each kept entry must count so that the kept mass is the whole: minimises
// ||A b - mass||^2 + lambda ||b - 1||^2 within bounds (accelerated projected gradient), with `a`
// the weights that kept entries have among all: a row's sum is the share of mass that is kept.
std::vector<float> fit_multiplicities(std::span<const float> a, Index kept,  // [R, kept]
                                      const MultiplicityFit& fit);           // -> [kept]

// Rows scaled by b and normalised to 1: the weights of kept entries among themselves.
std::vector<float> renormalised(std::span<const float> a, std::span<const float> b);  // [R, kept]

// Values that give the references the outputs that they had: minimises ||X C - Y||^2 + lambda
// ||C - V||^2, lambda = ridge * mean squared column of X (never less than 1e-6 of it). The ridge
// grows while the solution is not finite or longer than 8 times the longest of V; V is returned
// where that does not help.
std::vector<float> fit_values(std::span<const float> x, Index kept,   // [R, kept]
                              std::span<const float> y,               // [R, D]
                              std::span<const float> v, Index depth,  // [kept, D]
                              float ridge);                           // -> [kept, D]

// Orthogonal matching pursuit on the mass: adds the entries that explain most of what is missing,
// four at a time, and refits the multiplicities every second time. Returns `count` columns of p,
// ascending; those in `fixed` are among them.
std::vector<std::int32_t> pursue(std::span<const float> p, Index n, Index count,  // [R, n]
                                 std::span<const std::int32_t> fixed, const MultiplicityFit& fit);

}  // namespace pith::recipe
