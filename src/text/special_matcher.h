// Finds the tokens that are matched as whole strings before anything else: control and user-defined
// ones. It knows no types.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith {

class SpecialMatcher {
 public:
  struct Match {
    Token id = -1;  // -1: nothing found
    std::size_t begin = 0, end = 0;
  };

  SpecialMatcher();
  // Longer than kMaxLength is for the caller to refuse: the limit keeps the search linear in the
  // text.
  void add(std::string_view text, Token id);
  // The leftmost match at or behind `from`, and the longest of those that begin there.
  Match find(std::string_view text, std::size_t from) const;

  static constexpr std::size_t kMaxLength = 1024;

 private:
  struct Node {
    Token id = -1;
    std::vector<std::pair<char, std::int32_t>> edges;
  };
  std::int32_t child(std::int32_t node, char byte) const;

  std::vector<Node> nodes_;
  std::array<std::int32_t, 256>
      first_;  // the root's children: most positions of a text are decided here
};

}  // namespace pith
