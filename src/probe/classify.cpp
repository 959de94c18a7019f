#include "probe/classify.h"

#include <algorithm>

#include "probe/survival.h"

namespace pith::probe {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::right:
      return "right";
    case Outcome::wrong_uncompressed:
      return "wrong_uncompressed";
    case Outcome::not_in_text:
      return "not_in_text";
    case Outcome::erased:
      return "erased";
    case Outcome::partly_erased:
      return "partly_erased";
    case Outcome::unreachable:
      return "unreachable";
    case Outcome::unused:
      return "unused";
    case Outcome::kept:
      return "kept";
  }
  return "";
}

std::string_view explain(Outcome outcome) {
  switch (outcome) {
    case Outcome::right:
      return "right";
    case Outcome::wrong_uncompressed:
      return "wrong without compression, too";
    case Outcome::not_in_text:
      return "wrong; the text does not state the answer";
    case Outcome::erased:
      return "erased: all of the answer's tokens are gone from every head";
    case Outcome::partly_erased:
      return "partly erased: some of the answer's tokens are gone from every head";
    case Outcome::unreachable:
      return "kept, but unreachable from the question";
    case Outcome::unused:
      return "kept and reachable, but not used";
    case Outcome::kept:
      return "kept; reachability was not computed";
  }
  return "";
}

Outcome classify(const KeptSets& kept, const AnswerState& answer) {
  if (answer.right) return Outcome::right;
  if (!answer.right_uncompressed) return Outcome::wrong_uncompressed;
  if (answer.places.empty()) return Outcome::not_in_text;
  const auto gone = gone_everywhere(kept);
  const auto is_gone = [&](Index t) { return gone[static_cast<std::size_t>(t)] != 0; };
  bool something = false, whole = false, reachable = false;
  for (const auto& place : answer.places) {
    if (!std::all_of(place.begin(), place.end(), is_gone)) something = true;
    if (std::any_of(place.begin(), place.end(), is_gone)) continue;
    whole = true;
    reachable |= !answer.reached.empty() && std::any_of(place.begin(), place.end(), [&](Index t) {
      return answer.reached[static_cast<std::size_t>(t)] != 0;
    });
  }
  if (!something) return Outcome::erased;
  if (!whole) return Outcome::partly_erased;
  if (answer.reached.empty()) return Outcome::kept;
  return reachable ? Outcome::unused : Outcome::unreachable;
}

}  // namespace pith::probe
