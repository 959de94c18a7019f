// The two loops in which scorers spend their time, once per instruction set: products of rows with
// packed keys, and the softmax of a row of logits. Plain loops that compilers vectorise; nothing
// here checks its arguments or fails.
#pragma once

#include <span>
#include <vector>

#include "base/types.h"
#include "kernels/isa.h"

namespace pith::recipe {

inline constexpr Index kPanel = 16;  // rows in a panel of packed keys

struct RowKernels {
  // c[i, j] = sum_k a[i, k] * b[j, k] for all rows j of all panels.
  void (*multiply)(const float* a, Index rows,          // [rows, D]
                   const float* panels, Index count,    // [count, D, 16]
                   Index depth, float* c, Index stride  // [rows, stride], stride >= 16 * count
  );
  // Turns logits into weights that sum to 1 (-inf becomes 0) and adds them to `sum`. Writes `row`.
  void (*softmax_add)(float* row, Index n, float* sum);  // [n], [n]
};

const RowKernels& row_kernels(Isa isa);
const RowKernels& row_kernels();  // of active_isa()

// Rows packed for `multiply`: panels of 16 rows with the rows innermost, the last one padded with
// 0.
struct Panels {
  Panels(std::span<const float> rows, Index n, Index depth);  // [n, D]
  // The columns of a matrix [D, n] as rows.
  static Panels of_columns(std::span<const float> matrix, Index n);

  Index count;
  std::vector<float> data;  // [count, D, 16]

 private:
  Panels(Index n, Index depth);
};

// Whole products with them: a b' for b [columns, depth], and a b for b [depth, columns].
std::vector<float> times_transposed(std::span<const float> a, Index rows,  // [rows, depth]
                                    std::span<const float> b, Index columns, Index depth);
std::vector<float> product(std::span<const float> a, Index rows, std::span<const float> b,
                           Index columns);  // -> [rows, columns]
// a a' for a [rows, depth], whose halves are the same and computed once.
std::vector<float> gram(std::span<const float> a, Index rows, Index depth);

}  // namespace pith::recipe
