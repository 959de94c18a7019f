#include "probe/cohort.h"

#include <cmath>
#include <limits>
#include <set>

namespace pith::probe {
namespace {

double mean_of(const std::vector<Consensus>& layers, double Consensus::*what) {
  double sum = 0;
  for (const Consensus& layer : layers) sum += layer.*what;
  return layers.empty() ? 0 : sum / static_cast<double>(layers.size());
}

bool can_probe(const Samples& samples) {
  const std::set<Index> labels(samples.labels.begin(), samples.labels.end()),
      groups(samples.groups.begin(), samples.groups.end());
  return labels.size() >= 2 && groups.size() >= 2;
}

// Moves a mean over `count` values, the new one included, towards the new one.
void move(double& mean, double value, Index count) {
  mean += (value - mean) / static_cast<double>(count);
}

}  // namespace

double pearson(std::span<const double> a, std::span<const double> b) {
  const auto n = static_cast<double>(a.size());
  double mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    mean_a += a[i] / n;
    mean_b += b[i] / n;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  if (a.size() < 3 || aa <= 0 || bb <= 0) return std::numeric_limits<double>::quiet_NaN();
  return ab / std::sqrt(aa * bb);
}

void Cohort::add(const Report& report, std::span<const std::string> labels) {
  for (const std::string& label : labels)
    classes_.try_emplace(label, static_cast<Index>(classes_.size()));
  for (std::size_t q = 0; q < labels.size(); ++q) {
    const auto& pooled = report.questions[q].pooled_alone;
    if (pooled.empty()) continue;
    alone_.features = std::ssize(pooled);
    alone_.x.insert(alone_.x.end(), pooled.begin(), pooled.end());
    alone_.labels.push_back(classes_.at(labels[q]));
    alone_.groups.push_back(documents_);
  }
  for (const ArmReport& arm : report.arms) {
    Entry& entry = entries_[arm.request];
    Cell& cell = entry.cell;
    cell.request = arm.request;
    cell.ratio = arm.ratio;
    ++cell.documents;
    move(cell.removed, arm.removed, cell.documents);
    move(cell.eviction, arm.eviction.all, cell.documents);
    move(cell.ger_proxy, arm.ger_proxy, cell.documents);
    move(cell.jaccard, arm.overlap.all, cell.documents);
    if (std::isfinite(arm.routes.by_spread)) move(cell.routes, arm.routes.by_spread, ++cell.spread);
    move(cell.head_diversity, mean_of(arm.watched.without_sinks, &Consensus::head_diversity),
         cell.documents);
    move(cell.agreement, mean_of(arm.watched.without_sinks, &Consensus::agreement), cell.documents);
    cell.replay.add(arm.replay);
    cell.answers.add(arm.answers);
    for (const AnswerReport& one : arm.questions) {
      const auto q = static_cast<std::size_t>(one.question);
      if (!report.questions[q].places.empty()) {
        ++cell.stated;
        move(cell.ger, one.ger.all, cell.stated);
        move(cell.ger_layers, one.ger.mean, cell.stated);
        move(cell.all_gone, one.all_gone ? 1 : 0, cell.stated);
      }
      if (one.judgement != Judgement::unjudged) {
        ++cell.judged;
        ++cell.outcomes[one.outcome];
        move(cell.right, one.judgement == Judgement::right, cell.judged);
        move(cell.abstained, one.judgement == Judgement::abstained, cell.judged);
        move(cell.hallucinated, one.judgement == Judgement::wrong, cell.judged);
      }
      if (labels.empty()) continue;
      Samples& samples = entry.samples;
      samples.features = std::ssize(one.pooled);
      samples.x.insert(samples.x.end(), one.pooled.begin(), one.pooled.end());
      samples.labels.push_back(classes_.at(labels[q]));
      samples.groups.push_back(documents_);
    }
  }
  ++documents_;
}

std::vector<Cell> Cohort::finish() {
  std::vector<Cell> cells;
  for (auto& [request, entry] : entries_) {
    Samples& samples = entry.samples;
    samples.classes = static_cast<Index>(classes_.size());
    if (can_probe(samples)) {
      entry.cell.probe = probe_score(samples);
      entry.cell.probed = true;
    }
    cells.push_back(entry.cell);
  }
  return cells;
}

std::optional<ProbeScore> Cohort::without_text() const {
  if (!can_probe(alone_)) return std::nullopt;
  Samples samples = alone_;
  samples.classes = static_cast<Index>(classes_.size());
  return probe_score(samples);
}

}  // namespace pith::probe
