#include "eval/report/tables.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "eval/judge.h"
#include "eval/metrics.h"

namespace pith::eval {
namespace {

using Json = nlohmann::ordered_json;

constexpr Failure kFailures[] = {Failure::partial,    Failure::crossover, Failure::other_fact,
                                 Failure::fabricated, Failure::abstain,   Failure::broken_rule,
                                 Failure::unended};
constexpr double kKeptEdges[] = {0, 0.25, 0.5, 0.75, 1};  // bins: nothing, four quarters, all of it

// What ArmMetrics does not say.
struct Counts {
  std::map<Fate, Index> lost;  // wrong, and right with `full`
  Index wrong_too = 0;         // wrong, and not right with `full` either
};

Index kept_bin(double share) {
  if (share <= 0) return 0;
  if (share >= 1) return std::ssize(kKeptEdges);
  Index bin = 0;
  while (share > kKeptEdges[bin + 1]) ++bin;
  return bin + 1;
}

std::vector<Json> difference(const Difference& d) {
  const Interval& interval = d.measured.difference;
  return {interval.n,
          rounded(interval.mean),
          rounded(interval.low),
          rounded(interval.high),
          rounded(d.measured.p_value),
          rounded(d.p_holm)};
}

Json row(Index arm, const ArmMetrics& m, const Counts& counts,
         const std::vector<std::string>& classes) {
  Json json = {arm,
               m.task,
               m.score.n,
               m.documents,
               rounded(m.score.mean),
               rounded(m.score.low),
               rounded(m.score.high),
               m.conditional.n,
               rounded(m.conditional.mean),
               rounded(m.conditional.low),
               rounded(m.conditional.high)};
  const Difference* full = m.against("full");
  for (Json& value : full ? difference(*full) : std::vector<Json>(6)) json.push_back(value);
  for (const double value : {m.cache_bytes, m.full_bytes, m.entries})
    json.push_back(rounded(value, 1));
  json.push_back(rounded(m.ratio, 1e-3));
  for (const double value : {m.exact, m.contained, m.worst_decile, m.unended})
    json.push_back(rounded(value));
  for (const double value : {m.answer_tokens, m.prefill_s, m.compress_s})
    json.push_back(rounded(value, 1e-2));
  json.push_back(false);  // front, below
  Json failures = Json::array(), lost = Json::array();
  for (const auto& name : classes) {
    const auto found = m.failures.find(name);
    failures.push_back(found == m.failures.end() ? 0 : found->second);
  }
  for (const Fate fate : kFates) {
    const auto found = counts.lost.find(fate);
    lost.push_back(found == counts.lost.end() ? 0 : found->second);
  }
  json.push_back(std::move(failures));
  json.push_back(std::move(lost));
  json.push_back(counts.wrong_too);
  Json twins = Json::array();
  for (const Difference& d : m.differences)
    if (d.against != "full" && d.against != "baseline") {
      twins.push_back({d.against});
      for (const Json& value : difference(d)) twins.back().push_back(value);
    }
  json.push_back(std::move(twins));
  return json;
}

const std::vector<std::string> kColumns = {
    "arm",        "task",          "n",         "documents",   "score",        "low",
    "high",       "full_right_n",  "of_full",   "of_full_low", "of_full_high", "diff_n",
    "diff",       "diff_low",      "diff_high", "p",           "p_holm",       "bytes",
    "full_bytes", "entries",       "ratio",     "exact",       "contained",    "worst_decile",
    "unended",    "answer_tokens", "prefill_s", "compress_s",  "front",        "failures",
    "lost",       "wrong_too",     "twins"};

std::size_t column(const std::string& name) {
  return static_cast<std::size_t>(std::find(kColumns.begin(), kColumns.end(), name) -
                                  kColumns.begin());
}

// Arms that see the question or the full cache are no part of a front: no deployment could have
// them.
void mark_fronts(Json& rows, const Gathered& gathered) {
  const std::size_t task = column("task"), score = column("score"), bytes = column("bytes");
  std::map<std::pair<Index, std::string>, std::vector<Json*>> groups;
  for (Json& row : rows) {
    const auto& arm = gathered.arms[row[0].get<std::size_t>()];
    if (arm.sees_question || arm.oracle || row[score].is_null()) continue;
    groups[{gathered.sets[static_cast<std::size_t>(arm.run)], row[task]}].push_back(&row);
  }
  for (auto& [group, members] : groups) {
    std::vector<Point> points;
    for (const Json* row : members) points.push_back({(*row)[bytes], (*row)[score]});
    const auto front = pareto_front(points);
    for (std::size_t i = 0; i < members.size(); ++i)
      (*members[i])[column("front")] = static_cast<bool>(front[i]);
  }
}

}  // namespace

Json rounded(double value, double unit) {
  if (!std::isfinite(value)) return nullptr;
  const double scale = 1 / unit;
  const double whole = std::round(value * scale);
  if (unit == 1) return static_cast<Index>(whole);
  return whole / std::round(scale);
}

std::vector<bool> pareto_front(std::span<const Point> points) {
  std::vector<bool> front(points.size(), true);
  for (std::size_t i = 0; i < points.size(); ++i)
    for (const Point& other : points)
      if (other.bytes <= points[i].bytes && other.score >= points[i].score &&
          (other.bytes < points[i].bytes || other.score > points[i].score))
        front[i] = false;
  return front;
}

std::vector<std::string> failure_classes(const Gathered& gathered) {
  std::set<std::string> seen;
  for (const auto& answer : gathered.answers) seen.insert(answer.prediction->failure);
  std::vector<std::string> classes;
  for (const Failure failure : kFailures)
    if (seen.erase(std::string(to_string(failure)))) classes.emplace_back(to_string(failure));
  seen.erase("none");
  classes.insert(classes.end(), seen.begin(), seen.end());  // of a newer version
  return classes;
}

Json score_table(std::span<const ReportRun> runs, const Gathered& gathered) {
  std::map<std::pair<Index, std::string>, Counts> counts;  // by arm and task
  std::map<std::pair<Index, std::string>, Index> numbers;  // of arms, by run and canonical recipe
  for (Index a = 0; a < std::ssize(gathered.arms); ++a) {
    const auto& arm = gathered.arms[static_cast<std::size_t>(a)];
    numbers[{arm.run, arm.canonical}] = a;
  }
  for (const auto& answer : gathered.answers) {
    const Prediction& p = *answer.prediction;
    for (const std::string& task : {p.task, std::string("all")}) {
      Counts& cell = counts[{answer.arm, task}];
      if (answer.lost())
        ++cell.lost[answer.fate];
      else
        cell.wrong_too += answer.wrong();
    }
  }
  const auto classes = failure_classes(gathered);
  Json rows = Json::array();
  for (Index r = 0; r < std::ssize(runs); ++r)
    for (const ArmMetrics& m : compute_metrics(runs[static_cast<std::size_t>(r)].predictions)) {
      const Index arm = numbers.at({r, m.canonical});
      rows.push_back(row(arm, m, counts[{arm, m.task}], classes));
    }
  mark_fronts(rows, gathered);
  return {{"columns", kColumns}, {"rows", std::move(rows)}};
}

Json depth_table(const Gathered& gathered) {
  const auto known = std::count_if(gathered.items.begin(), gathered.items.end(),
                                   [](const ReportItem& item) { return item.depth >= 0; });
  const Index bins = known >= 200 ? 10 : 5;
  std::map<std::array<Index, 3>, std::pair<Index, double>> cells;
  for (const auto& answer : gathered.answers) {
    const auto& item = gathered.items[static_cast<std::size_t>(answer.item)];
    if (item.depth < 0) continue;
    const Index bin =
        std::min(bins - 1, static_cast<Index>(item.depth * static_cast<double>(bins)));
    auto& [n, sum] = cells[{answer.arm, item.length, bin}];
    ++n;
    sum += answer.prediction->score;
  }
  Json rows = Json::array();
  for (const auto& [cell, value] : cells)
    rows.push_back({cell[0], cell[1], cell[2], value.first, rounded(value.second, 1e-2)});
  return {{"bins", bins}, {"rows", std::move(rows)}};
}

Json kept_table(const Gathered& gathered) {
  std::map<std::pair<Index, Index>, std::pair<Index, double>> cells;
  for (const auto& answer : gathered.answers) {
    const auto& source = answer.prediction->answer_source;
    if (!source || source->tokens == 0 || !answer.full || answer.full->score < 1) continue;
    auto& [n, sum] = cells[{answer.arm, kept_bin(source->kept)}];
    ++n;
    sum += answer.prediction->score;
  }
  Json rows = Json::array();
  for (const auto& [cell, value] : cells)
    rows.push_back({cell.first, cell.second, value.first, rounded(value.second, 1e-2)});
  return {{"edges", kKeptEdges}, {"rows", std::move(rows)}};
}

}  // namespace pith::eval
