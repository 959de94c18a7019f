#include "recipe/signal_kinds.h"

#include <algorithm>
#include <iterator>
#include <type_traits>

#include "base/error.h"

namespace pith::recipe {
namespace {

using Needs = SignalNeeds;

constexpr SignalKind kKinds[] = {
    {"window_queries", Over::piece, &Needs::window_queries, {.watched = true}},
    {"tail_attention",
     Over::document,
     &Needs::tail_attention,
     {},
     "raw attention of windows of",
     "window"},
    {"echo", Over::document, &Needs::echo, {.watched = true}, "echoes by chunks of", "chunk"},
    {"replay_chunk", Over::piece, &Needs::replay_chunk, {}, "replays by chunks of", "chunk"},
    {"query_moments", Over::piece, &Needs::query_moments, {.watched = true}},
    {"query_means", Over::document, &Needs::query_means, {.watched = true}},
    {"query_magnitudes", Over::document, &Needs::query_magnitudes, {.watched = true}},
    {"rotated_moments", Over::piece, &Needs::rotated_moments, {.watched = true}},
    {"attention_sum", Over::piece, &Needs::attention_sum, {.watched = true}},
    {"attention_max", Over::piece, &Needs::attention_max, {.watched = true}},
    {"replay", Over::piece, &Needs::replay},
    {"replay_plus", Over::piece, &Needs::replay_plus},
    {"replay_gradient", Over::document, &Needs::replay_gradient},
    {"second_pass", Over::document, &Needs::second_pass},
    {"question_queries", Over::document, &Needs::question_queries, {.given = true}},
    {"question_keys", Over::document, &Needs::question_keys, {.given = true}},
    {"sentences", Over::turn, &Needs::sentences, {.given = true}},
    {"turns", Over::document, &Needs::turns, {.given = true}},
    {"answer_prompt", Over::document, &Needs::answer_prompt, {.given = true}},
    {"surprisal", Over::piece, &Needs::surprisal},
    {"structure", Over::piece, &Needs::structure},
    {"projected_values", Over::piece, &Needs::projected_values},
    {"query_filters", Over::document, &Needs::query_filters, {.calibrated = true}},
    {"kvzap", Over::document, &Needs::kvzap, {.watched = true, .calibrated = true}},
    {"budget_curves", Over::piece, &Needs::budget_curves, {.calibrated = true}},
    {"diffuseness", Over::piece, &Needs::diffuseness, {.calibrated = true}},
    {"local_attention", Over::document, &Needs::local_attention, {.watched = true}},
    {"context_queries", Over::turn, &Needs::context_queries, {.watched = true}},
    {"replay_queries", Over::turn, &Needs::replay_queries},
    {"self_study", Over::document, &Needs::studies},
    {"encoder", Over::piece, &Needs::encoders, {.given = true}},
};

// An aggregate has as many fields as it can be made of these.
struct Anything {
  template <typename T>
  operator T() const;
};
template <typename... Fields>
constexpr std::size_t count_fields() {
  if constexpr (requires { SignalNeeds{Fields{}..., Anything{}}; })
    return count_fields<Fields..., Anything>();
  else
    return sizeof...(Fields);
}
static_assert(
    count_fields<>() == std::size(kKinds) + 1,
    "every field of SignalNeeds has its row above, but for moments_skip, which belongs to "
    "the kinds that measure queries");

}  // namespace

std::span<const SignalKind> signal_kinds() { return kKinds; }

bool asks_any(const SignalNeeds& needs, bool (*is)(const SignalKind&)) {
  return std::any_of(std::begin(kKinds), std::end(kKinds), [&](const SignalKind& kind) {
    const auto asks = [&](auto field) {
      return needs.*field != std::remove_cvref_t<decltype(needs.*field)>{};
    };
    return is(kind) && std::visit(asks, kind.field);
  });
}

SignalNeeds without(SignalNeeds needs, bool (*is)(const SignalKind&)) {
  for (const SignalKind& kind : kKinds)
    if (is(kind)) std::visit([&](auto field) { needs.*field = {}; }, kind.field);
  if (!needs.measures_queries()) needs.moments_skip = SignalNeeds{}.moments_skip;
  return needs;
}

bool covers(const SignalNeeds& collected, const SignalNeeds& wanted) {
  SignalNeeds both = collected;
  try {
    both |= without(wanted, [](const SignalKind& kind) { return kind.from.given; });
  } catch (const Error&) {  // one reading cannot serve both
    return false;
  }
  return both == collected;
}

}  // namespace pith::recipe
