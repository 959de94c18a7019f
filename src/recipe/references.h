// Reference queries: what attends to a context from behind it, and stands for the questions that
// nobody has asked yet. From a part's parameters to the signals that they need, and from signals to
// what the references pay to a lane's entries. How they are collected is engine/signals' business,
// what is fitted to them that of matching.h.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "recipe/registry.h"
#include "recipe/scene.h"

namespace pith::recipe {

// ReferenceQueries of one layer.
struct References {
  std::span<const float> queries;         // [Hq, count, D], rotated at positions behind the context
  Index count = 0;                        // of each query head
  std::span<const float> surprisal = {};  // [count] of what they predict, or empty
};

// The signals behind the parameters that match and reference_attention share.
Parameter reference_choice();  // queries=repeat|context|self_study
Parameter reference_count();   // references=N
Parameter reference_seed();    // seed=N
SignalNeeds reference_needs(const Arguments& arguments);
References references_of(const Scene& scene, Index layer, const Arguments& arguments);

// The replay's or the context's own.
SignalNeeds reference_needs(std::string_view queries, Index count);
References references_of(const Scene& scene, Index layer, std::string_view queries, Index count);

// What was collected for a need, or null.
const ReferenceQueries* find_references(std::span<const ReferenceQueries> collected, Index wanted);
const ReferenceQueries* find_references(std::span<const StudySignals> collected,
                                        const SelfStudy& kind);

// The references of a lane's query heads, one head after another, times the attention scale.
std::vector<float> reference_rows(const Scene& scene, Index lane,
                                  const References& references);  // [G * count, D]

// What the references pay to the entries of a lane: rows of softmax weights over all n entries,
// log-weights included, in the order of reference_rows().
std::vector<float> reference_weights(const Scene& scene, Index lane,
                                     const References& references);  // [G * count, n]
// The same, a few rows after the others: where not all are wanted at once, memory does not grow
// with the references times the entries.
void for_reference_weights(const Scene& scene, Index lane, const References& references,
                           const std::function<void(std::span<const float>)>& body);  // [rows, n]

// What rows count in a fit, by the surprisal of what their queries predict: between 0.05 and 8
// nats, divided by the mean. Of every query head of a group one after another.
std::vector<float> surprisal_weights(std::span<const float> surprisal,  // [count]
                                     Index group);                      // -> [G * count]

}  // namespace pith::recipe
