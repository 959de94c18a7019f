// Attention that a few queries pay to the entries of a lane: the raw material of snapkv, tova,
// question_attention, finch, dropkv, attention(tail) and route. It is not the engine's attention:
// nothing is read from values, only weights are returned.
#pragma once

#include <functional>
#include <vector>

#include "recipe/registry.h"
#include "recipe/scene.h"

namespace pith::recipe {

struct Probe {
  std::span<const float> queries;  // [Hq, stored, D], rotated
  Index stored = 0;                // query rows per head
  Index rows = 0;                  // the last `rows` of them are used
  Index last_token = 0;            // source token of the last row; row r before it sees entries
                                   // whose span ends at most r tokens earlier
  std::span<const float> own_keys = {};  // [Hkv, rows, D]: keys of the rows themselves, of which
                                         // each row sees its own and those before; or none
};

// For the `needs` of parts that look with the last "window" queries.
inline SignalNeeds window_needs(const Arguments& arguments) {
  return {.window_queries = arguments.integer("window")};
}

// The context's own last `rows` queries (as many as there are, if fewer).
Probe window_probe(const Scene& scene, Index layer, Index rows);
// The question's queries: they see everything.
Probe question_probe(const Scene& scene, Index layer);

// Attention weights (softmax over the lane's entries, log-weights included) summed over the rows.
std::vector<float> attention_columns(const Scene& scene, Index lane, const Probe& probe);  // [G, n]

// Calls visit(g, row, weights [n]) for every query head of the group and every row, in order.
using VisitWeights = std::function<void(Index, Index, std::span<const float>)>;
void visit_attention(const Scene& scene, Index lane, const Probe& probe, const VisitWeights& visit);

}  // namespace pith::recipe
