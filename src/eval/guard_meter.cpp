#include "eval/guard_meter.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "engine/generate.h"
#include "engine/prompt.h"
#include "engine/reading.h"
#include "eval/judge.h"

namespace pith::eval {
namespace {

using Json = nlohmann::ordered_json;

constexpr Index kTogether = 16;  // answers decoded at once

// Which of the items are answered right from a context: [items].
std::vector<std::uint8_t> answered_right(const Context& context, const DocumentPrompt& prompt,
                                         std::span<const Item* const> items) {
  std::vector<std::uint8_t> right(items.size());
  const Tokenizer& tokenizer = context.engine().tokenizer();
  generate_all(
      kTogether,
      [&](Index i) -> std::optional<GenerateJob> {
        if (i == std::ssize(items)) return std::nullopt;
        const Item& item = *items[static_cast<std::size_t>(i)];
        GenerateJob job{context.fork(), {.max_tokens = item.max_tokens}};
        std::vector<Token> tokens = prompt.question(item.question);
        const auto prefix = tokenizer.encode(item.answer_prefix);
        tokens.insert(tokens.end(), prefix.begin(), prefix.end());
        job.context.read(tokens);
        return job;
      },
      [&](Index i, const Generated& generated) {
        const bool ended = generated.reason == StopReason::end_of_text;
        const auto k = static_cast<std::size_t>(i);
        right[k] = is_right(*items[k], judge(*items[k], generated.text, ended));
      });
  return right;
}

}  // namespace

GuardMeasurement measure_guard(const std::shared_ptr<Engine>& engine, const std::string& suite,
                               const Document& document, const recipe::Recipe& recipe,
                               std::span<const double> ladder) {
  const DocumentPrompt prompt(*engine, document.text, document.system, document.turns);
  const ReadOptions options = prompt.read_options();
  Context whole(engine);
  const auto signals = read_document(whole, prompt.context(), recipe.needs(), options);
  GuardMeasurement out{.suite = suite,
                       .document = document.id,
                       .questions = std::ssize(document.items),
                       .signals = {},
                       .ratios = {},
                       .losses = {}};
  std::vector<const Item*> held;  // what has been answered right on all rungs so far
  const auto ask = [&](const Context& context) {
    const auto right = answered_right(context, prompt, held);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < held.size(); ++i)
      if (right[i] != 0) held[kept++] = held[i];
    held.resize(kept);
  };
  for (const Item& item : document.items) held.push_back(&item);
  ask(whole);
  out.right = std::ssize(held);
  if (held.empty()) return out;
  climb(
      whole, recipe, signals, options, ladder,
      [&](const GuardRung& rung, const Context& compressed) {
        if (!rung.same_as_last) ask(compressed);
        out.signals.push_back(rung.signal);
        out.ratios.push_back(rung.report.ratio());
        out.losses.push_back(1 - static_cast<double>(held.size()) / static_cast<double>(out.right));
        return !held.empty();  // behind the last loss there is nothing to lose
      });
  return out;
}

GuardRecord record_of(const GuardMeasurement& measured, std::size_t rungs) {
  GuardRecord record;
  for (const GuardSignal& signal : measured.signals) record.signals.push_back(signal.value());
  record.losses = measured.losses;
  record.signals.resize(rungs, std::numeric_limits<double>::infinity());
  record.losses.resize(rungs, measured.losses.empty() ? 0 : measured.losses.back());
  return record;
}

std::string to_line(const GuardMeasurement& measured) {
  Json json = {{"suite", measured.suite},
               {"document", measured.document},
               {"questions", measured.questions},
               {"right", measured.right}};
  for (const GuardSignal& signal : measured.signals)
    json["signals"].push_back({signal.damage.rise, signal.damage.worst, signal.damage.missed,
                               signal.damage.routes, signal.ratio});
  json["ratios"] = measured.ratios;
  json["losses"] = measured.losses;
  return json.dump();
}

GuardMeasurement parse_measurement(std::string_view line) {
  try {
    const Json json = Json::parse(line);
    GuardMeasurement out{.suite = json.at("suite"),
                         .document = json.at("document"),
                         .questions = json.at("questions"),
                         .right = json.at("right"),
                         .signals = {},
                         .ratios = json.at("ratios"),
                         .losses = json.at("losses")};
    for (const Json& signal : json.value("signals", Json::array()))
      out.signals.push_back({.damage = {.rise = signal.at(0),
                                        .worst = signal.at(1),
                                        .missed = signal.at(2),
                                        .routes = signal.at(3)},
                             .ratio = signal.at(4)});
    if (out.signals.size() != out.losses.size() || out.signals.size() != out.ratios.size())
      fail(ErrorCode::bad_file, "as many signals, ratios and losses were expected");
    return out;
  } catch (const std::exception& error) {
    fail(ErrorCode::bad_file,
         fmt::format("no measurement of the guard: {}; delete the line", error.what()));
  }
}

GuardOutcome outcome_at(std::span<const GuardMeasurement> measured, double threshold) {
  GuardOutcome out;
  std::vector<double> lost, parts;
  std::vector<Index> clusters;
  Index whole = 0;
  for (const GuardMeasurement& one : measured) {
    if (one.right == 0) continue;
    const GuardRecord record = record_of(one, one.signals.size());
    const Index passed = rungs_passed(record.signals, threshold);
    const auto last = static_cast<std::size_t>(passed - 1);
    clusters.push_back(out.documents++);
    out.right += one.right;
    lost.push_back(passed > 0 ? one.losses[last] : 0);
    parts.push_back(passed > 0 ? 1 / one.ratios[last] : 1);
    whole += passed == 0 ? 1 : 0;
  }
  if (out.documents == 0) return out;
  const auto n = static_cast<double>(out.documents);
  out.risk = cluster_interval(lost, clusters, {0, 1});
  out.ratio = n / std::reduce(parts.begin(), parts.end());
  out.whole = static_cast<double>(whole) / n;
  return out;
}

}  // namespace pith::eval
