#include "recipe/signals.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "base/error.h"

namespace pith::recipe {
namespace {

struct Flag {
  const char* name;
  bool SignalNeeds::*needed;
};
constexpr Flag kFlags[] = {
    {"query_moments", &SignalNeeds::query_moments},
    {"query_means", &SignalNeeds::query_means},
    {"query_magnitudes", &SignalNeeds::query_magnitudes},
    {"rotated_moments", &SignalNeeds::rotated_moments},
    {"attention_sum", &SignalNeeds::attention_sum},
    {"attention_max", &SignalNeeds::attention_max},
    {"replay", &SignalNeeds::replay},
    {"replay_plus", &SignalNeeds::replay_plus},
    {"replay_gradient", &SignalNeeds::replay_gradient},
    {"second_pass", &SignalNeeds::second_pass},
    {"question_queries", &SignalNeeds::question_queries},
    {"question_keys", &SignalNeeds::question_keys},
    {"sentences", &SignalNeeds::sentences},
    {"turns", &SignalNeeds::turns},
    {"answer_prompt", &SignalNeeds::answer_prompt},
    {"surprisal", &SignalNeeds::surprisal},
    {"structure", &SignalNeeds::structure},
    {"projected_values", &SignalNeeds::projected_values},
    {"query_filters", &SignalNeeds::query_filters},
    {"kvzap", &SignalNeeds::kvzap},
    {"budget_curves", &SignalNeeds::budget_curves},
    {"diffuseness", &SignalNeeds::diffuseness},
};
static_assert(offsetof(SignalNeeds, diffuseness) - offsetof(SignalNeeds, query_moments) + 1 ==
                  std::size(kFlags),
              "every flag of SignalNeeds has its line above");

template <typename T>
void add_new(std::vector<T>& list, const std::vector<T>& more) {
  for (const T& one : more)
    if (std::find(list.begin(), list.end(), one) == list.end()) list.push_back(one);
}

// Of which one value can be served; 0 wants none.
void agree(Index& mine, Index other, std::string_view what, std::string_view parameter) {
  if (mine != 0 && other != 0 && mine != other)
    fail(
        ErrorCode::bad_recipe,
        fmt::format("{} {} and {} are asked for, and only one can be had of one reading; give both "
                    "the same {}, or run them apart",
                    what, mine, other, parameter));
  mine = std::max(mine, other);
}

bool measures_queries(const SignalNeeds& needs) {
  return needs.query_moments || needs.query_means || needs.query_magnitudes;
}

}  // namespace

SignalNeeds& SignalNeeds::operator|=(const SignalNeeds& other) {
  window_queries = std::max(window_queries, other.window_queries);
  if (measures_queries(*this) && measures_queries(other) && moments_skip != other.moments_skip)
    fail(ErrorCode::bad_recipe,
         fmt::format("query statistics without the first {} and {} tokens are asked for, and only "
                     "one can be had of one reading; give both the same n_sink, or run them apart",
                     moments_skip, other.moments_skip));
  if (measures_queries(other)) moments_skip = other.moments_skip;
  for (const Flag& flag : kFlags) this->*flag.needed |= other.*flag.needed;
  agree(tail_attention, other.tail_attention, "raw attention of windows of", "window");
  agree(echo, other.echo, "echoes by chunks of", "chunk");
  agree(replay_chunk, other.replay_chunk, "replays by chunks of", "chunk");
  add_new(local_attention, other.local_attention);
  add_new(context_queries, other.context_queries);
  add_new(replay_queries, other.replay_queries);
  add_new(studies, other.studies);
  add_new(encoders, other.encoders);
  return *this;
}

std::vector<std::string> names_of(const SignalNeeds& needs) {
  std::vector<std::string> names;
  const auto add_count = [&](const char* what, Index count) {
    if (count > 0) names.push_back(fmt::format("{}({})", what, count));
  };
  add_count("window_queries", needs.window_queries);
  add_count("tail_attention", needs.tail_attention);
  add_count("echo", needs.echo);
  add_count("replay_chunk", needs.replay_chunk);
  for (const Flag& flag : kFlags)
    if (needs.*flag.needed) names.emplace_back(flag.name);
  for (const LocalAttention& kind : needs.local_attention) add_count("local_attention", kind.chunk);
  for (const Index count : needs.context_queries) add_count("context_queries", count);
  for (const Index count : needs.replay_queries) add_count("replay_queries", count);
  for (const SelfStudy& study : needs.studies) add_count("self_study", study.queries);
  for (const std::string& file : needs.encoders) names.push_back(fmt::format("encoder({})", file));
  return names;
}

}  // namespace pith::recipe
