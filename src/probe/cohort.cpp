#include "probe/cohort.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/rng.h"

namespace pith::probe {
namespace {

double mean_of(const std::vector<double>& layers) {
  double sum = 0;
  for (double layer : layers) sum += layer;
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

void take(const std::vector<float>& pooled, Index label, Index document, Samples& samples) {
  samples.features = std::ssize(pooled);
  samples.x.insert(samples.x.end(), pooled.begin(), pooled.end());
  samples.labels.push_back(label);
  samples.groups.push_back(document);
}

void add_arm(const ArmFacts& arm, Cell& cell) {
  cell.request = arm.request;
  cell.ratio = arm.ratio;
  ++cell.examinations;
  move(cell.removed, arm.removed, cell.examinations);
  move(cell.eviction, arm.eviction, cell.examinations);
  move(cell.ger_proxy, arm.ger_proxy, cell.examinations);
  move(cell.jaccard, arm.jaccard, cell.examinations);
  if (std::isfinite(arm.routes)) move(cell.routes, arm.routes, ++cell.spread);
  move(cell.head_diversity, mean_of(arm.head_diversity), cell.examinations);
  move(cell.agreement, mean_of(arm.agreement), cell.examinations);
  cell.diversity_by_layer.resize(arm.head_diversity.size());
  for (std::size_t l = 0; l < arm.head_diversity.size(); ++l)
    move(cell.diversity_by_layer[l], arm.head_diversity[l], cell.examinations);
  cell.replay.add(arm.replay);
  cell.answers.add(arm.answers);
}

void add_answer(const QuestionFacts& one, const std::map<std::string, std::string>& tags,
                Cell& cell) {
  if (one.stated) {
    ++cell.stated;
    move(cell.ger, one.ger, cell.stated);
    move(cell.ger_layers, one.ger_layers, cell.stated);
    move(cell.all_gone, one.all_gone ? 1 : 0, cell.stated);
  }
  if (one.judgement == Judgement::unjudged) return;
  const bool right = one.judgement == Judgement::right, wrong = one.judgement == Judgement::wrong;
  ++cell.judged;
  ++cell.outcomes[one.outcome];
  move(cell.right, right, cell.judged);
  move(cell.abstained, one.judgement == Judgement::abstained, cell.judged);
  move(cell.hallucinated, wrong, cell.judged);
  for (const auto& [key, value] : tags) {
    if (key == "depth") continue;  // a number, not a kind
    TagShare& share = cell.tags[key + "=" + value];
    ++share.judged;
    move(share.right, right, share.judged);
    move(share.hallucinated, wrong, share.judged);
  }
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
  Facts facts = facts_of(report);
  facts.document = std::to_string(names_.size());
  for (std::size_t q = 0; q < labels.size(); ++q) facts.tags[q][tag_] = labels[q];
  add(facts);
}

void Cohort::add(const Facts& facts) {
  const Index document =
      names_.try_emplace(facts.task + "/" + facts.document, static_cast<Index>(names_.size()))
          .first->second;
  const auto class_of = [&](std::size_t question) -> std::optional<Index> {
    const auto tag = facts.tags[question].find(tag_);
    if (tag == facts.tags[question].end()) return std::nullopt;
    return classes_.try_emplace(tag->second, static_cast<Index>(classes_.size())).first->second;
  };
  for (std::size_t q = 0; q < facts.tags.size(); ++q) {
    const auto label = class_of(q);
    if (label && !facts.alone[q].empty()) take(facts.alone[q], *label, document, alone_);
  }
  for (const ArmFacts& arm : facts.arms) {
    Entry& entry = entries_[arm.request];
    add_arm(arm, entry.cell);
    entry.documents.try_emplace(document);
    for (const QuestionFacts& one : arm.questions) {
      const auto q = static_cast<std::size_t>(one.question);
      add_answer(one, facts.tags[q], entry.cell);
      Sums& sums = entry.documents[document];
      if (one.stated) {
        ++sums.stated;
        sums.ger += one.ger;
      }
      if (one.judgement != Judgement::unjudged) {
        ++sums.judged;
        sums.invented += one.judgement == Judgement::wrong ? 1 : 0;
      }
      const auto label = class_of(q);
      if (label && !one.pooled.empty()) take(one.pooled, *label, document, entry.samples);
    }
  }
}

std::vector<Cell> Cohort::finish() {
  std::vector<Cell> cells;
  for (auto& [request, entry] : entries_) {
    entry.cell.documents = std::ssize(entry.documents);
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

Correlation Cohort::ger_and_invented(std::span<const Index> requests, std::uint64_t seed) const {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto documents = static_cast<Index>(names_.size());
  // r of the mean curves of documents, some of which are drawn more than once.
  const auto r_of = [&](const std::vector<Index>& drawn) {
    std::vector<double> ger, invented;
    for (Index request : requests) {
      const auto entry = entries_.find(request);
      if (entry == entries_.end()) continue;
      Sums all;
      for (Index document : drawn) {
        const auto sums = entry->second.documents.find(document);
        if (sums == entry->second.documents.end()) continue;
        all.ger += sums->second.ger;
        all.invented += sums->second.invented;
        all.stated += sums->second.stated;
        all.judged += sums->second.judged;
      }
      if (all.stated == 0 || all.judged == 0) continue;
      ger.push_back(all.ger / static_cast<double>(all.stated));
      invented.push_back(all.invented / static_cast<double>(all.judged));
    }
    return pearson(ger, invented);
  };
  std::vector<Index> drawn(names_.size());
  for (std::size_t d = 0; d < drawn.size(); ++d) drawn[d] = static_cast<Index>(d);
  Correlation out{.r = r_of(drawn), .low = nan, .high = nan, .documents = documents};
  if (documents < 2 || std::isnan(out.r)) return out;
  Rng rng(seed);
  std::vector<double> all;
  for (int resample = 0; resample < 2000; ++resample) {
    for (Index& document : drawn) document = rng.below(documents);
    if (const double r = r_of(drawn); std::isfinite(r)) all.push_back(r);
  }
  if (all.size() < 1000) return out;  // most resamples have nothing that varies
  std::sort(all.begin(), all.end());
  out.low = all[all.size() * 25 / 1000];
  out.high = all[std::min(all.size() * 975 / 1000, all.size() - 1)];
  return out;
}

}  // namespace pith::probe
