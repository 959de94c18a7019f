// The few types that every layer shares.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pith {

using Index = std::int64_t;  // counts, positions in arrays, shapes: signed everywhere
using Token = std::int32_t;  // an id of the vocabulary

// How matrix products are computed: `exact` keeps f32 activations, `fast` rounds them to int8
// blocks (docs/numerics.md).
enum class Numerics { exact, fast };

constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }
constexpr Index round_up(Index a, Index b) { return ceil_div(a, b) * b; }

}  // namespace pith
