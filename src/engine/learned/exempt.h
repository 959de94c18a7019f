// Which tokens of a turn stay exact while virtual tokens stand for the rest: two of S2's dead ends.
// Pure; what becomes of them is virtual_tokens.h's business.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/types.h"

namespace pith {

// The ceil(share * N) tokens whose values differ most from their neighbours': the mean over layers
// and KV heads of ||v_j - m|| / ||m|| with m the mean of up to five values on either side.
// Ascending.
std::vector<Index> unlike_their_neighbours(
    std::span<const std::vector<float>> values,  // [L][N, Hkv, D]
    Index kv_heads, Index head_dim, double share);

// Tokens of paths with a slash, of what is imported, and of literals in single quotes of at most 30
// characters, each with a token on either side. Ascending.
std::vector<Index> of_code(std::span<const std::string> pieces);  // [N] the tokens' texts

}  // namespace pith
