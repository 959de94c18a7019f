#include "recipe/signals.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace pith::recipe {
namespace {

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
  query_moments |= other.query_moments;
  attention_sum |= other.attention_sum;
  attention_max |= other.attention_max;
  replay |= other.replay;
  replay_plus |= other.replay_plus;
  replay_gradient |= other.replay_gradient;
  answer_prompt |= other.answer_prompt;
  question_queries |= other.question_queries;
  sentences |= other.sentences;
  turns |= other.turns;
  agree(tail_attention, other.tail_attention, "raw attention of windows of", "window");
  query_means |= other.query_means;
  query_magnitudes |= other.query_magnitudes;
  question_keys |= other.question_keys;
  agree(echo, other.echo, "echoes by chunks of", "chunk");
  second_pass |= other.second_pass;
  query_filters |= other.query_filters;
  kvzap |= other.kvzap;
  add_new(local_attention, other.local_attention);
  add_new(context_queries, other.context_queries);
  add_new(replay_queries, other.replay_queries);
  add_new(studies, other.studies);
  surprisal |= other.surprisal;
  structure |= other.structure;
  budget_curves |= other.budget_curves;
  diffuseness |= other.diffuseness;
  projected_values |= other.projected_values;
  add_new(encoders, other.encoders);
  return *this;
}

}  // namespace pith::recipe
