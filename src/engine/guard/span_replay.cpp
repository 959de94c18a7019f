#include "engine/guard/span_replay.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"
#include "engine/guard/forced.h"
#include "engine/signals/replay.h"
#include "model/logits.h"

namespace pith {
namespace {

constexpr Index kFewestSpans = 8;
constexpr Index kSampledPart = 10;  // one window of so many
constexpr Index kFewestRoutes = 3;  // lanes that must keep a token

// How many lanes keep each token: [tokens]. Those with a window, which are not compressed, do not
// count.
std::vector<Index> count_routes(const cache::Cache& cache, Index tokens) {
  std::vector<Index> routes(static_cast<std::size_t>(tokens));
  const cache::Shape& shape = cache.shape();
  for (Index layer = 0; layer < shape.layers; ++layer) {
    if (shape.window(layer) > 0) continue;
    for (Index head = 0; head < shape.kv_heads; ++head)
      for (const cache::EntryInfo& entry : cache.read_info(shape.lane(layer, head)))
        for (Index t = entry.span.begin; t < std::min<Index>(entry.span.end, tokens); ++t)
          ++routes[static_cast<std::size_t>(t)];
  }
  return routes;
}

void check_room(const Engine& engine, Index read, Index more) {
  const Index range = engine.config().context_length;
  if (read + more <= range) return;
  fail(ErrorCode::bad_input,
       fmt::format("the document and its prompt are {} tokens, and repeating a sample of it takes "
                   "{} more, but {} reads at most {}; shorten the document or take a model with a "
                   "longer range",
                   read, more, engine.config().name, range));
}

}  // namespace

std::vector<RepeatedSpan> sample_spans(std::span<const float> weights, Index prefix_tokens,
                                       Index most) {
  const Index tokens = std::ssize(weights) - prefix_tokens;
  PITH_CHECK(tokens > 0, "a document behind the prefix");
  const Index windows = std::max<Index>(tokens / kRepeatedSpan, 1);
  const Index spans =
      std::min(windows, std::clamp(windows / kSampledPart, std::min(kFewestSpans, most), most));
  std::vector<RepeatedSpan> out;
  Rng rng(1);
  for (Index s = 0; s < spans; ++s) {
    const Index first = windows * s / spans, last = windows * (s + 1) / spans;
    std::vector<double> until;  // summed weights
    const auto window = [&](Index w) {
      const Index begin = prefix_tokens + w * kRepeatedSpan;
      return RepeatedSpan{begin, std::min(begin + kRepeatedSpan, prefix_tokens + tokens)};
    };
    for (Index w = first; w < last; ++w) {
      until.push_back(until.empty() ? 0 : until.back());
      const RepeatedSpan span = window(w);
      for (Index t = span.begin; t < span.end; ++t)
        until.back() += std::max(0.0, static_cast<double>(weights[static_cast<std::size_t>(t)]));
    }
    const double drawn = rng.uniform() * until.back();
    const auto found =
        std::find_if(until.begin(), until.end() - 1, [&](double weight) { return drawn < weight; });
    out.push_back(window(first + (found - until.begin())));
  }
  return out;
}

SpanReplay::SpanReplay(const Context& whole, std::span<const float> weights,
                       const SampleOptions& options)
    : prefix_(options.reading.prefix_tokens), weight_(weights.begin(), weights.end()) {
  PITH_CHECK(std::ssize(weight_) == whole.next_position(), "a weight for every token");
  const Engine& engine = whole.engine();
  const ReplayOptions replay{
      .prefix_tokens = prefix_, .answer_prompt = options.reading.answer_prompt, .progress = {}};
  for (const RepeatedSpan& at : sample_spans(weight_, prefix_, options.most)) {
    const auto tokens = replay_chunk(engine, whole.tokens(), at.begin, at.end, replay).tokens;
    check_room(engine, whole.next_position(), std::ssize(tokens));
    const auto split = tokens.end() - (at.end - at.begin);
    Span& span = spans_.emplace_back();
    span.prompt.assign(tokens.begin(), split);
    span.text.assign(split, tokens.end());
  }
  Index done = 0;
  for (Span& span : spans_) {
    for_predictions(whole, span.prompt, span.text, [&](Index row, std::span<const float> logits) {
      const Token token = span.text[static_cast<std::size_t>(row)];
      span.tokens.whole.push_back(surprisal(logits, token));
      span.tokens.known.push_back(likeliest(logits) == token);
    });
    if (options.progress) options.progress(++done, spans());
  }
}

SpanDamage SpanReplay::compare(const Context& compressed, const Progress& progress) const {
  std::vector<SpanTokens> repeated;
  for (const Span& span : spans_) {
    SpanTokens& tokens = repeated.emplace_back(span.tokens);
    for_predictions(compressed, span.prompt, span.text,
                    [&](Index row, std::span<const float> logits) {
                      const Token token = span.text[static_cast<std::size_t>(row)];
                      tokens.here.push_back(surprisal(logits, token));
                      tokens.repeated.push_back(likeliest(logits) == token);
                    });
    if (progress) progress(std::ssize(repeated), spans());
  }
  SpanDamage damage = damage_of(repeated);
  const auto routes = count_routes(compressed.cache(), std::ssize(weight_));
  double all = 0, few = 0;
  for (auto t = static_cast<std::size_t>(prefix_); t < weight_.size(); ++t) {
    all += static_cast<double>(weight_[t]);
    if (routes[t] < kFewestRoutes) few += static_cast<double>(weight_[t]);
  }
  damage.routes = all > 0 ? few / all : 0;
  return damage;
}

bool is_checkable(const recipe::Recipe& recipe) {
  return !recipe.is_full() && !recipe.sees_question();
}

std::vector<float> even_weights(const Context& context) {
  return std::vector<float>(static_cast<std::size_t>(context.next_position()), 1.0F);
}

}  // namespace pith
