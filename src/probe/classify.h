// Why an answer from a compressed cache is wrong: the answer's tokens are gone, cannot be reached,
// or are there and were not used. It judges no texts: whether an answer is right is told.
//
// S1 (arXiv 2603.01426) splits failures into erasure, Pr(F | E) Pr(E), and rigidity, Pr(F | not E)
// Pr(not E); reachability is its event C(q): one token of the answer lies on a path from the
// question in the pruned attention graph.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "probe/kept.h"

namespace pith::probe {

enum class Outcome {
  right,
  wrong_uncompressed,  // the full cache does not know it either
  not_in_text,         // wrong, but the text does not state the answer: nothing to look for
  erased,              // every token of every place that states it is gone from all lanes
  partly_erased,       // no place is left whole: of each some tokens are gone from all lanes
  unreachable,         // a whole place is kept, but no path leads from the question to it
  unused,              // kept and reachable
  kept,                // a whole place is kept; whether a path leads to it was not computed
};
std::string_view to_string(Outcome outcome);
std::string_view explain(Outcome outcome);  // a sentence for people

struct AnswerState {
  bool right = false, right_uncompressed = true;
  std::span<const std::vector<Index>> places;  // the tokens of every place that states the answer
  std::span<const std::uint8_t> reached;       // [T] from the question, in the pruned graph; empty
                                               // without one
};
Outcome classify(const KeptSets& kept, const AnswerState& answer);

}  // namespace pith::probe
