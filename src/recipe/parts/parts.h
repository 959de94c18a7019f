// The parts by name, for the list in registry.cpp, and the little that several of them share.
// What each one is stands in its own file.
#pragma once

#include "recipe/registry.h"

namespace pith::recipe {

// Scorers.
PartInfo random_part();
PartInfo recency_part();
PartInfo spaced_part();
PartInfo knorm_part();
PartInfo keydiff_part();
PartInfo attention_part();
PartInfo raw_attention_part();
PartInfo question_attention_part();
PartInfo snapkv_part();
PartInfo tova_part();
PartInfo expected_attention_part();
PartInfo kvzip_part();
PartInfo kvzip_plus_part();
PartInfo lagkv_part();
PartInfo cur_part();
PartInfo leverage_part();
PartInfo non_causal_part();
PartInfo compactor_part();
PartInfo capkv_part();
PartInfo finch_part();
PartInfo simlayer_part();
PartInfo dropkv_part();
PartInfo echo_part();
PartInfo kvcompose_part();
PartInfo qfilters_part();
PartInfo kvzap_part();
PartInfo kvgrad_part();
PartInfo duo_part();
PartInfo triattention_part();
PartInfo rkv_part();
PartInfo reference_attention_part();

// Adjusters.
PartInfo turn_quota_part();
PartInfo pins_part();
PartInfo chunk_mean_part();
PartInfo critical_part();
PartInfo defensive_part();
PartInfo surprisal_part();
PartInfo structure_part();
PartInfo floor_part();

// Allocators.
PartInfo uniform_part();
PartInfo pyramid_part();
PartInfo adakv_part();
PartInfo global_part();
PartInfo positions_part();
PartInfo chunked_part();
PartInfo route_part();
PartInfo threshold_part();
PartInfo composite_part();
PartInfo keep_all_part();
PartInfo prefix_only_part();
PartInfo route_floor_part();
PartInfo curves_part();
PartInfo csa_part();

// Realisers.
PartInfo drop_part();
PartInfo rerotate_part();
PartInfo summary_part();
PartInfo match_part();
PartInfo virtual_part();
PartInfo learned_part();
PartInfo fold_part();
PartInfo merge_part();
PartInfo cam_part();
PartInfo think_part();

// Formats.
PartInfo bf16_part();
PartInfo f32_part();
PartInfo int8_part();
PartInfo int4_part();
PartInfo int3_part();
PartInfo int2_part();
PartInfo e4m3_part();

// sum_i a[i] * b[i], in eight partial sums so that compilers vectorise it.
inline float dot(const float* a, const float* b, Index n) {
  constexpr Index kParts = 8;
  float part[kParts] = {};
  Index i = 0;
  for (; i + kParts <= n; i += kParts)
    for (Index j = 0; j < kParts; ++j) part[j] += a[i + j] * b[i + j];
  float sum = 0;
  for (; i < n; ++i) sum += a[i] * b[i];
  for (float p : part) sum += p;
  return sum;
}

// A score times a weight that says how much more it counts: of two scores below zero the one nearer
// to zero is the better.
inline float weighted(float score, float weight) {
  return score < 0 ? score / (weight > 1e-12f ? weight : 1e-12f) : score * weight;
}

// Of [G, n] the mean over G.
inline void group_mean(std::span<const float> rows, Index group, std::span<float> out) {
  const Index n = static_cast<Index>(out.size());
  for (Index j = 0; j < n; ++j) {
    float sum = 0;
    for (Index g = 0; g < group; ++g) sum += rows[g * n + j];
    out[j] = sum / static_cast<float>(group);
  }
}

// Of [G, n] the maximum over G.
inline void group_max(std::span<const float> rows, Index group, std::span<float> out) {
  const Index n = static_cast<Index>(out.size());
  for (Index j = 0; j < n; ++j) {
    out[j] = rows[j];
    for (Index g = 1; g < group; ++g) out[j] = rows[g * n + j] > out[j] ? rows[g * n + j] : out[j];
  }
}

// Of [G, n] the mean over the group, or the maximum where the worst case counts.
inline void group_score(const Scene& scene, std::span<const float> rows, std::span<float> out) {
  scene.worst_case() ? group_max(rows, scene.group(), out) : group_mean(rows, scene.group(), out);
}

}  // namespace pith::recipe
