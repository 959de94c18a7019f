#include "eval/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"

namespace pith::eval {
namespace {

using Items = std::vector<const Prediction*>;
constexpr const char* kAll = "all";

std::string identity(const Prediction& p) { return p.suite + "/" + p.document + "/" + p.item; }

// Scores with the number of the document that each belongs to.
struct Sample {
  std::vector<double> scores;
  std::vector<Index> clusters;
};

class Clusters {
 public:
  Index of(const Prediction& p) {
    return numbers_.try_emplace(p.suite + "/" + p.document, std::ssize(numbers_)).first->second;
  }

 private:
  std::map<std::string, Index> numbers_;
};

Interval interval(const Sample& sample, std::uint64_t seed) {
  if (sample.scores.empty()) return {};
  const bool binary = std::all_of(sample.scores.begin(), sample.scores.end(),
                                  [](double s) { return s == 0 || s == 1; });
  const bool alone = std::set<Index>(sample.clusters.begin(), sample.clusters.end()).size() ==
                     sample.scores.size();
  double sum = 0;
  for (double score : sample.scores) sum += score;
  if (binary && alone) return wilson(sum, std::ssize(sample.scores));
  return cluster_bootstrap(sample.scores, sample.clusters, seed);
}

ArmMetrics measure(const Items& items, const std::map<std::string, const Prediction*>& baseline,
                   std::uint64_t seed) {
  ArmMetrics arm;
  arm.recipe = items.front()->recipe;
  arm.canonical = items.front()->canonical;
  Clusters clusters;
  Sample all, conditional;
  std::vector<double> own, other;
  std::vector<Index> paired;
  std::map<std::string, const Prediction*> documents;
  double bytes = 0, full = 0;
  for (const Prediction* p : items) {
    all.scores.push_back(p->score);
    all.clusters.push_back(clusters.of(*p));
    documents.try_emplace(p->suite + "/" + p->document, p);
    arm.sees_question |= p->sees_question;
    arm.oracle |= p->oracle;
    arm.exact += p->exact;
    arm.contained += p->contained;
    arm.unended += !p->ended;
    arm.answer_tokens += static_cast<double>(p->answer_tokens);
    arm.entries += static_cast<double>(p->entries);
    bytes += static_cast<double>(p->cache_bytes);
    full += static_cast<double>(p->full_bytes);
    if (p->failure != "none") ++arm.failures[p->failure];
    const auto match = baseline.find(identity(*p));
    if (match == baseline.end()) continue;
    own.push_back(p->score);
    other.push_back(match->second->score);
    paired.push_back(clusters.of(*p));
    if (match->second->score == 1) {
      conditional.scores.push_back(p->score);
      conditional.clusters.push_back(clusters.of(*p));
    }
  }
  const auto n = static_cast<double>(items.size());
  for (double* mean : {&arm.exact, &arm.contained, &arm.unended, &arm.answer_tokens, &arm.entries})
    *mean /= n;
  arm.cache_bytes = bytes / n;
  arm.full_bytes = full / n;
  arm.ratio = bytes > 0 ? full / bytes : 0;
  for (const auto& [name, p] : documents) {
    arm.prefill_s += p->prefill_s / static_cast<double>(documents.size());
    arm.compress_s += (p->compress_s + p->replay_s) / static_cast<double>(documents.size());
  }
  arm.score = interval(all, seed);
  arm.conditional = interval(conditional, seed);
  arm.worst_decile = worst_decile(all.scores);
  if (!own.empty()) arm.to_baseline = paired_difference(own, other, paired, seed);
  arm.has_difference = !own.empty();
  return arm;
}

}  // namespace

std::vector<ArmMetrics> compute_metrics(std::span<const Prediction> predictions,
                                        const std::string& baseline, std::uint64_t seed) {
  if (predictions.empty()) fail(ErrorCode::bad_input, "no predictions to measure");
  std::map<std::string, const Prediction*> reference;
  std::vector<std::string> order;
  std::set<std::string> tasks;
  std::map<std::pair<std::string, std::string>, Items> cells;  // (canonical, task)
  for (const Prediction& p : predictions) {
    if (p.canonical == baseline) reference.emplace(identity(p), &p);
    if (std::find(order.begin(), order.end(), p.canonical) == order.end())
      order.push_back(p.canonical);
    tasks.insert(p.task);
    cells[{p.canonical, p.task}].push_back(&p);
    cells[{p.canonical, kAll}].push_back(&p);
  }
  if (reference.empty())
    fail(ErrorCode::bad_input,
         fmt::format("no prediction of the baseline `{}`; run that recipe too", baseline));
  std::vector<std::string> names(tasks.begin(), tasks.end());
  names.push_back(kAll);
  std::vector<ArmMetrics> arms;
  for (const auto& task : names) {
    std::vector<double> p_values;
    const std::size_t first = arms.size();
    for (const auto& canonical : order) {
      const auto cell = cells.find({canonical, task});
      if (cell == cells.end()) continue;
      ArmMetrics arm = measure(cell->second, reference, seed);
      arm.task = task;
      if (canonical == baseline) arm.has_difference = false;
      if (arm.has_difference) p_values.push_back(arm.to_baseline.p_value);
      arms.push_back(std::move(arm));
    }
    const auto corrected = holm(p_values);
    std::size_t next = 0;
    for (std::size_t i = first; i < arms.size(); ++i)
      if (arms[i].has_difference) arms[i].p_holm = corrected[next++];
  }
  return arms;
}

std::string metrics_json(std::span<const ArmMetrics> arms, const std::string& baseline) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const auto& arm : arms) {
    Json json = {{"recipe", arm.recipe},
                 {"canonical", arm.canonical},
                 {"task", arm.task},
                 {"n", arm.score.n},
                 {"score", arm.score.mean},
                 {"ci_low", arm.score.low},
                 {"ci_high", arm.score.high},
                 {"cache_bytes", arm.cache_bytes},
                 {"full_bytes", arm.full_bytes},
                 {"ratio", arm.ratio},
                 {"sees_question", arm.sees_question},
                 {"oracle", arm.oracle},
                 {"entries", arm.entries}};
    json["difference"] = nullptr;
    if (arm.has_difference)
      json["difference"] = {{"to", baseline},
                            {"mean", arm.to_baseline.difference.mean},
                            {"ci_low", arm.to_baseline.difference.low},
                            {"ci_high", arm.to_baseline.difference.high},
                            {"n", arm.to_baseline.difference.n},
                            {"p", arm.to_baseline.p_value},
                            {"p_holm", arm.p_holm}};
    json["conditional"] = {{"n", arm.conditional.n},
                           {"score", arm.conditional.mean},
                           {"ci_low", arm.conditional.low},
                           {"ci_high", arm.conditional.high}};
    json["exact"] = arm.exact;
    json["contained"] = arm.contained;
    json["worst_decile"] = arm.worst_decile;
    json["unended"] = arm.unended;
    json["answer_tokens"] = arm.answer_tokens;
    json["prefill_s"] = arm.prefill_s;
    json["compress_s"] = arm.compress_s;
    json["failures"] = arm.failures;
    list.push_back(std::move(json));
  }
  return Json{{"baseline", baseline}, {"arms", std::move(list)}}.dump(2) + "\n";
}

}  // namespace pith::eval
