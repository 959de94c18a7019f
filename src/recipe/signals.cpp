#include "recipe/signals.h"

#include <algorithm>

namespace pith::recipe {

SignalNeeds& SignalNeeds::operator|=(const SignalNeeds& other) {
  window_queries = std::max(window_queries, other.window_queries);
  if (other.query_moments || other.query_means || other.query_magnitudes)
    moments_skip = other.moments_skip;  // recipes that differ are refused
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
  tail_attention = std::max(tail_attention, other.tail_attention);
  query_means |= other.query_means;
  query_magnitudes |= other.query_magnitudes;
  question_keys |= other.question_keys;
  echo = std::max(echo, other.echo);
  second_pass |= other.second_pass;
  query_filters |= other.query_filters;
  kvzap |= other.kvzap;
  for (const LocalAttention& kind : other.local_attention)
    if (std::find(local_attention.begin(), local_attention.end(), kind) == local_attention.end())
      local_attention.push_back(kind);
  context_queries = std::max(context_queries, other.context_queries);
  replay_queries = std::max(replay_queries, other.replay_queries);
  for (const SelfStudy& study : other.studies)
    if (std::find(studies.begin(), studies.end(), study) == studies.end()) studies.push_back(study);
  surprisal |= other.surprisal;
  structure |= other.structure;
  budget_curves |= other.budget_curves;
  diffuseness |= other.diffuseness;
  projected_values |= other.projected_values;
  for (const std::string& file : other.encoders)
    if (std::find(encoders.begin(), encoders.end(), file) == encoders.end())
      encoders.push_back(file);
  return *this;
}

}  // namespace pith::recipe
