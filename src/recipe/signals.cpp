#include "recipe/signals.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "recipe/signal_kinds.h"

namespace pith::recipe {
namespace {

void join(bool& mine, bool other, const SignalKind& /*kind*/) { mine |= other; }

void join(Index& mine, Index other, const SignalKind& kind) {
  if (!kind.values.empty() && mine != 0 && other != 0 && mine != other)
    fail(
        ErrorCode::bad_recipe,
        fmt::format("{} {} and {} are asked for, and only one can be had of one reading; give both "
                    "the same {}, or run them apart",
                    kind.values, mine, other, kind.parameter));
  mine = std::max(mine, other);
}

template <typename T>
void join(std::vector<T>& mine, const std::vector<T>& other, const SignalKind& /*kind*/) {
  for (const T& one : other)
    if (std::find(mine.begin(), mine.end(), one) == mine.end()) mine.push_back(one);
}

using Names = std::vector<std::string>;

void add(Names& names, std::string_view kind, bool needed) {
  if (needed) names.emplace_back(kind);
}
void add(Names& names, std::string_view kind, Index count) {
  if (count > 0) names.push_back(fmt::format("{}({})", kind, count));
}
void add(Names& names, std::string_view kind, const std::string& file) {
  names.push_back(fmt::format("{}({})", kind, file));
}
void add(Names& names, std::string_view kind, const LocalAttention& one) {
  add(names, kind, one.chunk);
}
void add(Names& names, std::string_view kind, const SelfStudy& one) {
  add(names, kind, one.queries);
}
template <typename T>
void add(Names& names, std::string_view kind, const std::vector<T>& list) {
  for (const T& one : list) add(names, kind, one);
}

}  // namespace

SignalNeeds& SignalNeeds::operator|=(const SignalNeeds& other) {
  if (measures_queries() && other.measures_queries() && moments_skip != other.moments_skip)
    fail(ErrorCode::bad_recipe,
         fmt::format("query statistics without the first {} and {} tokens are asked for, and only "
                     "one can be had of one reading; give both the same n_sink, or run them apart",
                     moments_skip, other.moments_skip));
  if (other.measures_queries()) moments_skip = other.moments_skip;
  for (const SignalKind& kind : signal_kinds())
    std::visit([&](auto field) { join(this->*field, other.*field, kind); }, kind.field);
  return *this;
}

std::vector<std::string> names_of(const SignalNeeds& needs) {
  std::vector<std::string> names;
  for (const SignalKind& kind : signal_kinds())
    std::visit([&](auto field) { add(names, kind.name, needs.*field); }, kind.field);
  return names;
}

}  // namespace pith::recipe
