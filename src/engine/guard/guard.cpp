#include "engine/guard/guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/stopwatch.h"
#include "engine/guard/conformal.h"
#include "engine/guard/span_replay.h"

namespace pith {

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
  const SpanReplay replay(whole, signals.surprisal, {.reading = options});
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
    if (!rung.same_as_last) rung.signal.damage = replay.compare(fork);
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
  const Stopwatch watch;
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
  choice.seconds = watch.seconds();
  return choice;
}

std::string Guard::fingerprint() const { return fmt::format("{:016x}", table_.hash()); }

}  // namespace pith
