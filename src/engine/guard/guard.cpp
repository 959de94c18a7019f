#include "engine/guard/guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/rng.h"
#include "engine/guard/conformal.h"
#include "engine/guard/forced.h"
#include "engine/signals/replay.h"

namespace pith {
namespace {

constexpr Index kFewestSpans = 8, kMostSpans = 64;
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

}  // namespace

std::vector<GuardSpan> sample_spans(std::span<const float> surprisal, Index prefix_tokens) {
  const Index tokens = std::ssize(surprisal) - prefix_tokens;
  const Index windows = std::max<Index>(tokens / kGuardSpan, 1);
  const Index spans =
      std::min(windows, std::clamp(windows / kSampledPart, kFewestSpans, kMostSpans));
  std::vector<GuardSpan> out;
  Rng rng(1);
  for (Index s = 0; s < spans; ++s) {
    const Index first = windows * s / spans, last = windows * (s + 1) / spans;
    std::vector<double> until;  // summed weights
    const auto window = [&](Index w) {
      const Index begin = prefix_tokens + w * kGuardSpan;
      return GuardSpan{begin, std::min(begin + kGuardSpan, prefix_tokens + tokens)};
    };
    for (Index w = first; w < last; ++w) {
      until.push_back(until.empty() ? 0 : until.back());
      const GuardSpan span = window(w);
      for (Index t = span.begin; t < span.end; ++t)
        until.back() += std::max(0.0, static_cast<double>(surprisal[static_cast<std::size_t>(t)]));
    }
    const double drawn = rng.uniform() * until.back();
    const auto found =
        std::find_if(until.begin(), until.end() - 1, [&](double weight) { return drawn < weight; });
    out.push_back(window(first + (found - until.begin())));
  }
  return out;
}

SpanReplay::SpanReplay(const Context& whole, const recipe::Signals& signals,
                       const ReadOptions& options)
    : prefix_(options.prefix_tokens), weight_(signals.surprisal) {
  PITH_CHECK(std::ssize(weight_) == whole.next_position(), "the guard samples by surprisal");
  const ReplayOptions replay{.prefix_tokens = options.prefix_tokens,
                             .answer_prompt = options.answer_prompt,
                             .progress = {}};
  for (const GuardSpan& at : sample_spans(weight_, prefix_)) {
    const auto tokens =
        replay_chunk(whole.engine(), whole.tokens(), at.begin, at.end, replay).tokens;
    const auto split = tokens.end() - (at.end - at.begin);
    Span& span = spans_.emplace_back();
    span.prompt.assign(tokens.begin(), split);
    span.text.assign(split, tokens.end());
    for_predictions(whole, span.prompt, span.text, [&](Index row, std::span<const float> logits) {
      const Token token = span.text[static_cast<std::size_t>(row)];
      span.surprisal.push_back(surprisal(logits, token));
      span.known.push_back(likeliest(logits) == token);
    });
  }
}

GuardSignal SpanReplay::compare(const Context& compressed) const {
  GuardSignal signal;
  double rows = 0, known = 0, missed = 0;
  for (const Span& span : spans_) {
    double rise = 0;
    for_predictions(compressed, span.prompt, span.text,
                    [&](Index row, std::span<const float> logits) {
                      const auto i = static_cast<std::size_t>(row);
                      rise += surprisal(logits, span.text[i]) - span.surprisal[i];
                      known += span.known[i];
                      missed += span.known[i] != 0 && likeliest(logits) != span.text[i] ? 1 : 0;
                    });
    const auto length = static_cast<double>(span.text.size());
    rows += length;
    signal.rise += rise;
    signal.worst = std::max(signal.worst, rise / length);
  }
  signal.rise /= rows;
  signal.missed = known > 0 ? missed / known : 0;
  const auto routes = count_routes(compressed.cache(), std::ssize(weight_));
  double all = 0, few = 0;
  for (auto t = static_cast<std::size_t>(prefix_); t < weight_.size(); ++t) {
    all += static_cast<double>(weight_[t]);
    if (routes[t] < kFewestRoutes) few += static_cast<double>(weight_[t]);
  }
  signal.routes = all > 0 ? few / all : 0;
  return signal;
}

void climb(const Context& whole, const recipe::Recipe& recipe, const recipe::Signals& signals,
           const ReadOptions& options, std::span<const double> ladder,
           const std::function<bool(const GuardRung&, const Context& compressed)>& on_rung,
           const Progress& progress) {
  Index done = 0;
  Progress tell;
  if (progress) {
    tell = [&](Index, Index) { progress(done, std::ssize(ladder)); };
    progress(done, std::ssize(ladder));
  }
  const SpanReplay replay(whole, signals, options);
  GuardRung rung;
  Index last_entries = -1;
  for (const double ratio : ladder) {
    rung.asked = ratio;
    Context fork = whole.fork();
    try {
      rung.report = compress(fork, recipe.at({recipe::BudgetUnit::ratio, ratio}), signals, tell);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::bad_budget) throw;
      return;  // nor could any larger ratio be met
    }
    rung.same_as_last = rung.report.entries_after == last_entries;
    last_entries = rung.report.entries_after;
    if (!rung.same_as_last) rung.signal = replay.compare(fork);
    rung.signal.ratio = ratio;
    if (!on_rung(rung, fork)) return;
    ++done;
    if (progress) progress(done, std::ssize(ladder));
  }
}

Guard::Guard(const Engine& engine, const recipe::Recipe& recipe)
    : recipe_(recipe),
      table_(GuardTable::of(engine, recipe)),
      threshold_(conformal_threshold(table_.records, recipe.risk().value())) {}

GuardChoice Guard::choose(const Context& whole, const recipe::Signals& signals,
                          const ReadOptions& options, const Progress& progress) const {
  const auto start = std::chrono::steady_clock::now();
  GuardChoice choice{.recipe = recipe::Recipe::parse("full"),
                     .threshold = threshold_,
                     .risk = recipe_.risk().value(),
                     .documents = std::ssize(table_.records),
                     .documents_are = table_.documents};
  climb(
      whole, recipe_, signals, options, table_.ladder,
      [&](const GuardRung& rung, const Context&) {
        if (!(rung.signal.value() <= threshold_)) return false;
        choice.asked = rung.asked;
        choice.signal = rung.signal.value();
        choice.recipe = recipe_.at({recipe::BudgetUnit::ratio, rung.asked});
        return true;
      },
      progress);
  choice.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return choice;
}

std::string Guard::fingerprint() const { return fmt::format("{:016x}", table_.hash()); }

}  // namespace pith
