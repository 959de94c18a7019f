#include "recipe/signals.h"

#include <algorithm>

namespace pith::recipe {

SignalNeeds& SignalNeeds::operator|=(const SignalNeeds& other) {
  window_queries = std::max(window_queries, other.window_queries);
  if (other.query_moments) moments_skip = other.moments_skip;  // recipes that differ are refused
  query_moments |= other.query_moments;
  attention_sum |= other.attention_sum;
  attention_max |= other.attention_max;
  replay |= other.replay;
  replay_plus |= other.replay_plus;
  question_queries |= other.question_queries;
  sentences |= other.sentences;
  surprisal |= other.surprisal;
  structure |= other.structure;
  budget_curves |= other.budget_curves;
  diffuseness |= other.diffuseness;
  projected_values |= other.projected_values;
  return *this;
}

}  // namespace pith::recipe
