#include "text/special_matcher.h"

#include <string>
#include <utility>

#include "base/error.h"

namespace pith {

SpecialMatcher::SpecialMatcher() : nodes_(1) { first_.fill(-1); }

std::int32_t SpecialMatcher::child(std::int32_t node, char byte) const {
  for (const auto& [edge, target] : nodes_[static_cast<std::size_t>(node)].edges) {
    if (edge == byte) return target;
  }
  return -1;
}

void SpecialMatcher::add(std::string_view text, Token id) {
  PITH_CHECK(!text.empty() && text.size() <= kMaxLength, std::to_string(text.size()));
  std::int32_t node = 0;
  for (const char byte : text) {
    std::int32_t next = child(node, byte);
    if (next < 0) {
      next = static_cast<std::int32_t>(nodes_.size());
      nodes_[static_cast<std::size_t>(node)].edges.emplace_back(byte, next);
      nodes_.emplace_back();
      if (node == 0) first_[static_cast<unsigned char>(byte)] = next;
    }
    node = next;
  }
  auto& owner = nodes_[static_cast<std::size_t>(node)].id;
  if (owner < 0) owner = id;
}

SpecialMatcher::Match SpecialMatcher::find(std::string_view text, std::size_t from) const {
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    std::int32_t node = first_[static_cast<unsigned char>(text[begin])];
    Match best;
    for (std::size_t end = begin + 1; node >= 0; ++end) {
      const Token id = nodes_[static_cast<std::size_t>(node)].id;
      if (id >= 0) best = {id, begin, end};
      if (end == text.size()) break;
      node = child(node, text[end]);
    }
    if (best.id >= 0) return best;
  }
  return {};
}

}  // namespace pith
