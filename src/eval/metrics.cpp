#include "eval/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "eval/arms.h"

namespace pith::eval {
namespace {

constexpr const char* kAll = "all";

// Predictions of one arm and task by what they answer: the order of a file means nothing.
using Items = std::map<std::string, const Prediction*>;

// Scores with the number of the document that each belongs to.
struct Sample {
  std::vector<double> scores;
  std::vector<Index> clusters;
};

// Of any text for a recipe; empty if it is none.
std::string canonical_of(const std::string& name) {
  try {
    return parse_arm(name).to_string();
  } catch (const Error&) {  // the names of twins, or a slip
    return "";
  }
}

// Numbers documents.
class Clusters {
 public:
  Index of(const Prediction& p) {
    return numbers_.try_emplace(document_of(p), std::ssize(numbers_)).first->second;
  }

 private:
  std::map<std::string, Index> numbers_;
};

Interval interval(const Sample& sample, std::uint64_t seed) {
  if (sample.scores.empty()) return wilson(0, 0);  // unknown, of nothing
  const bool binary = std::all_of(sample.scores.begin(), sample.scores.end(),
                                  [](double s) { return s == 0 || s == 1; });
  const auto clusters = std::ssize(std::set<Index>(sample.clusters.begin(), sample.clusters.end()));
  const auto n = std::ssize(sample.scores);
  double sum = 0;
  for (double score : sample.scores) sum += score;
  if (binary && clusters == n) return wilson(sum, n);
  return cluster_interval(sample.scores, sample.clusters, {0, 1}, seed);
}

void add_scores(ArmMetrics& arm, const Items& items, const Items& full, std::uint64_t seed) {
  Clusters clusters;
  Sample all, conditional;
  for (const auto& [name, p] : items) {
    all.scores.push_back(p->score);
    all.clusters.push_back(clusters.of(*p));
    const auto match = full.find(name);
    if (match == full.end()) continue;
    if (!same_item(*p, *match->second)) {
      ++arm.left_out;
      continue;
    }
    if (match->second->score != 1) continue;
    conditional.scores.push_back(p->score);
    conditional.clusters.push_back(clusters.of(*p));
  }
  arm.score = interval(all, seed);
  arm.conditional = interval(conditional, seed);
  arm.worst_decile = worst_decile(all.scores);
  arm.worst_n = std::max<Index>(1, arm.score.n / 10);
}

// Over documents, of the mean over their answers: most have one cache for all of them.
double mean_repeats(const Items& items) {
  std::map<std::string, std::pair<double, double>> documents;  // sum, count
  for (const auto& [name, p] : items) {
    if (!p->check || std::isnan(p->check->repeats())) continue;
    auto& [sum, count] = documents[document_of(*p)];
    sum += p->check->repeats();
    ++count;
  }
  double sum = 0;
  for (const auto& [name, one] : documents) sum += one.first / one.second;
  return documents.empty() ? std::numeric_limits<double>::quiet_NaN()
                           : sum / static_cast<double>(documents.size());
}

void add_means(ArmMetrics& arm, const Items& items) {
  std::map<std::string, const Prediction*> documents;
  double bytes = 0, full = 0;
  for (const auto& [name, p] : items) {
    documents.try_emplace(document_of(*p), p);
    arm.sees_question |= p->sees_question;
    arm.oracle |= p->oracle;
    arm.exact += p->exact;
    arm.contained += p->contained;
    arm.unended += !p->ended;
    arm.answer_tokens += static_cast<double>(p->answer_tokens);
    arm.entries += static_cast<double>(p->entries);
    bytes += static_cast<double>(p->cache_bytes);
    full += static_cast<double>(p->full_bytes);
    arm.cold_bytes += static_cast<double>(p->cold_bytes);
    if (p->failure != "none") ++arm.failures[p->failure];
  }
  const auto n = static_cast<double>(items.size());
  for (double* mean : {&arm.exact, &arm.contained, &arm.unended, &arm.answer_tokens, &arm.entries,
                       &arm.cold_bytes})
    *mean /= n;
  arm.cache_bytes = bytes / n;
  arm.full_bytes = full / n;
  arm.ratio = bytes > 0 ? full / bytes : 0;
  arm.documents = std::ssize(documents);
  for (const auto& [name, p] : documents) {
    arm.prefill_s += p->prefill_s / static_cast<double>(documents.size());
    arm.compress_s += (p->compress_s + p->replay_s) / static_cast<double>(documents.size());
  }
  arm.repeats = mean_repeats(items);
}

void add_difference(ArmMetrics& arm, const Items& items, const Items& others,
                    const std::string& against, std::uint64_t seed) {
  Clusters clusters;
  std::vector<double> own, other;
  std::vector<Index> documents;
  for (const auto& [name, p] : items) {
    const auto match = others.find(name);
    if (match == others.end() || !same_item(*p, *match->second)) continue;
    own.push_back(p->score);
    other.push_back(match->second->score);
    documents.push_back(clusters.of(*p));
  }
  if (own.empty()) return;
  Difference difference{.against = against, .to = others.begin()->second->recipe};
  for (double score : other) difference.other_score += score / static_cast<double>(other.size());
  difference.measured = paired_difference(own, other, documents, seed);
  arm.differences.push_back(std::move(difference));
}

// Holm's correction over the differences of one task that belong to one family.
template <typename InFamily>
void correct(std::span<ArmMetrics> arms, InFamily&& in_family) {
  std::vector<double> p_values;
  std::vector<Difference*> family;
  for (auto& arm : arms)
    for (auto& difference : arm.differences)
      if (in_family(difference.against)) {
        p_values.push_back(difference.measured.p_value);
        family.push_back(&difference);
      }
  const auto corrected = holm(p_values);
  for (std::size_t i = 0; i < family.size(); ++i) family[i]->p_holm = corrected[i];
}

// All predictions by arm (canonical recipe) and task.
class Table {
 public:
  explicit Table(std::span<const Prediction> predictions) {
    for (const Prediction& p : predictions) {
      if (std::find(order_.begin(), order_.end(), p.canonical) == order_.end())
        order_.push_back(p.canonical);
      tasks_.insert(p.task);
      for (const std::string& task : {p.task, std::string(kAll)})
        cells_[{p.canonical, task}].emplace(identity(p), &p);
    }
  }

  const std::vector<std::string>& arms() const { return order_; }
  std::vector<std::string> tasks() const {
    std::vector<std::string> names(tasks_.begin(), tasks_.end());
    names.push_back(kAll);
    return names;
  }
  const Items& cell(const std::string& arm, const std::string& task) const {
    static const Items none;
    const auto found = cells_.find({arm, task});
    return found == cells_.end() ? none : found->second;
  }
  // The canonical name of an arm that is named either way, or by any text for the same recipe.
  std::string find(const std::string& name) const {
    for (const auto& canonical : order_)
      if (canonical == name || cell(canonical, kAll).begin()->second->recipe == name)
        return canonical;
    if (const auto spelled = canonical_of(name);
        std::find(order_.begin(), order_.end(), spelled) != order_.end())
      return spelled;
    fail(ErrorCode::bad_input,
         fmt::format("no prediction of the baseline `{}`; run that recipe too", name));
  }
  // The twins of an arm: canonical names.
  std::vector<std::string> twins_of(const std::string& arm) const {
    std::vector<std::string> twins;
    for (const auto& canonical : order_)
      if (cell(canonical, kAll).begin()->second->twin_of == arm) twins.push_back(canonical);
    return twins;
  }

 private:
  std::vector<std::string> order_;
  std::set<std::string> tasks_;
  std::map<std::pair<std::string, std::string>, Items> cells_;
};

ArmMetrics measure(const Table& table, const std::string& canonical, const std::string& task,
                   const std::string& baseline, std::uint64_t seed) {
  const Items& items = table.cell(canonical, task);
  const Items& full = table.cell("full", task);
  const Prediction& any = *items.begin()->second;
  ArmMetrics arm;
  arm.recipe = any.recipe;
  arm.canonical = canonical;
  arm.task = task;
  arm.twin = any.twin;
  arm.twin_of = any.twin_of;
  add_scores(arm, items, full, seed);
  add_means(arm, items);
  if (canonical != "full") add_difference(arm, items, full, "full", seed);
  if (baseline != "full" && canonical != baseline)
    add_difference(arm, items, table.cell(baseline, task), "baseline", seed);
  for (const auto& twin : table.twins_of(canonical))
    add_difference(arm, items, table.cell(twin, task), table.cell(twin, kAll).begin()->second->twin,
                   seed);
  return arm;
}

}  // namespace

const Difference* ArmMetrics::against(std::string_view name) const {
  const auto found = std::find_if(differences.begin(), differences.end(),
                                  [&](const Difference& d) { return d.against == name; });
  return found == differences.end() ? nullptr : &*found;
}

std::vector<ArmMetrics> compute_metrics(std::span<const Prediction> predictions,
                                        const std::string& baseline, std::uint64_t seed) {
  if (predictions.empty()) fail(ErrorCode::bad_input, "no predictions to measure");
  const Table table(predictions);
  table.find("full");
  const std::string other = table.find(baseline);
  std::vector<ArmMetrics> arms;
  for (const auto& task : table.tasks()) {
    const std::size_t first = arms.size();
    for (const auto& canonical : table.arms())
      if (!table.cell(canonical, task).empty())
        arms.push_back(measure(table, canonical, task, other, seed));
    const auto of_task = std::span(arms).subspan(first);
    correct(of_task, [](const std::string& against) { return against == "full"; });
    correct(of_task, [](const std::string& against) { return against == "baseline"; });
    correct(of_task,
            [](const std::string& against) { return against != "full" && against != "baseline"; });
  }
  return arms;
}

}  // namespace pith::eval
