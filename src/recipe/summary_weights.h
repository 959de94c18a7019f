// How much a summary must count so that it draws the mass that is missing: log-weights of summaries
// fitted to reference queries. Which tokens a summary stands for and what its key is, is decided in
// parts/summary.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "recipe/references.h"
#include "recipe/scene.h"

namespace pith::recipe {

// For summary c with key k_c and `missing` entries M_c of a lane, over reference queries q_r of all
// query heads of the group, with Z_r what q_r's logits (log-weights included) sum to over the whole
// lane, in exponentials:
//
//     log-weight_c = log sum_r sum_{j in M_c} exp(s q_r.k_j + w_j) / Z_r
//                  - log sum_r exp(s q_r.k_c) / Z_r
//
// so that the summary's share of attention, summed over the references, is that of the entries
// which are gone. A summary of n equal keys gets log n. Entries of M_c must not be none.
std::vector<float> fitted_log_weights(
    const Scene& scene, Index lane, const References& references,
    std::span<const std::vector<std::int32_t>> missing,  // [summaries]
    std::span<const float> keys);                        // [summaries, D] -> [summaries]

}  // namespace pith::recipe
