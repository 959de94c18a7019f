// Varied, uneventful prose from a grammar: people, trades, tools, weather, small events. No
// sentence comes twice from one generator. It states no fact that a suite asks for: its words are
// its own.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "base/rng.h"

namespace pith::eval {

class Prose {
 public:
  explicit Prose(Rng rng) : rng_(rng) {}

  // A sentence, from its capital to its full stop.
  std::string next();

  // Which rules (not which words) made the last sentence: two sentences of one shape differ in
  // their nouns and names only.
  std::uint64_t shape() const { return shape_; }

 private:
  Rng rng_;
  std::uint64_t shape_ = 0;
  std::unordered_set<std::string> seen_;
};

}  // namespace pith::eval
