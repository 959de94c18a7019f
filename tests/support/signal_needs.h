// A need of one kind of signal alone, for tests that go over all kinds.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "recipe/signal_kinds.h"

namespace pith::test {

inline void ask(bool& field, Index /*count*/) { field = true; }
inline void ask(Index& field, Index count) { field = count; }
inline void ask(std::vector<Index>& field, Index count) { field = {count}; }
inline void ask(std::vector<recipe::LocalAttention>& field, Index count) {
  field = {{.chunk = count}};
}
inline void ask(std::vector<recipe::SelfStudy>& field, Index count) {
  field = {{.queries = count}};
}
inline void ask(std::vector<std::string>& field, Index count) {
  field = {std::to_string(count) + ".safetensors"};
}

// Where a kind has a size, it is `count`.
inline recipe::SignalNeeds needs_of(const recipe::SignalKind& kind, Index count = 16) {
  recipe::SignalNeeds needs;
  std::visit([&](auto field) { ask(needs.*field, count); }, kind.field);
  return needs;
}

}  // namespace pith::test
