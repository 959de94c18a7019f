#include "eval/report/gather.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <tuple>

namespace pith::eval {
namespace {

constexpr std::string_view kTwinBytes = " at the bytes of ";
constexpr double kSameLength = 1.15;  // contexts of one group differ by less

// "snapkv @ 4x then int8 @ 8x" -> "snapkv then int8" and "4x, 8x".
// A twin's budget is another arm's bytes.
void split_budget(ReportArm& arm) {
  std::string_view left = arm.recipe;
  if (const auto at = left.find(kTwinBytes); !arm.twin.empty() && at != std::string_view::npos) {
    arm.method = std::string(left.substr(0, at)) + " (twins)";
    arm.budget = left.substr(at + 1);
    return;
  }
  for (bool first = true; !left.empty(); first = false) {
    const auto end = left.find(" then ");
    const std::string_view stage = left.substr(0, end);
    const auto at = stage.find(" @ ");
    if (!first) arm.method += " then ";
    arm.method += stage.substr(0, at);
    if (at != std::string_view::npos)
      arm.budget.append(arm.budget.empty() ? "" : ", ").append(stage.substr(at + 3));
    left = end == std::string_view::npos ? "" : left.substr(end + 6);
  }
}

double depth_of(const ReportItem& item) {
  if (const auto tag = item.any->tags.find("depth"); tag != item.any->tags.end()) {
    char* end = nullptr;
    const double percent = std::strtod(tag->second.c_str(), &end);
    if (end != tag->second.c_str() && *end == 0 && percent >= 0 && percent <= 100)
      return percent / 100;
  }
  if (!item.spans || item.spans->answers.empty()) return -1;
  return static_cast<double>(item.spans->answers.front().begin) /
         static_cast<double>(item.document->text.size());
}

// Finds the document that an answer was taken from.
class Library {
 public:
  explicit Library(const ReportRun& run) {
    for (const auto& document : run.documents)
      by_id_.emplace(document.suite + "/" + document.id, &document);
  }
  const DocumentRecord* find(const Prediction& p) const {
    const auto [begin, end] = by_id_.equal_range(p.suite + "/" + p.document);
    for (auto at = begin; at != end; ++at)
      if (at->second->hash == p.document_hash) return at->second;
    return nullptr;
  }

 private:
  std::multimap<std::string, const DocumentRecord*> by_id_;
};

const DocumentItem* spans_of(const DocumentRecord* document, const std::string& item) {
  if (!document) return nullptr;
  for (const auto& candidate : document->items)
    if (candidate.id == item) return &candidate;
  return nullptr;
}

void group_lengths(Gathered& gathered) {
  std::vector<Index> order(gathered.items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Index>(i);
  const auto item = [&](Index i) -> ReportItem& {
    return gathered.items[static_cast<std::size_t>(i)];
  };
  std::sort(order.begin(), order.end(), [&](Index a, Index b) {
    return std::pair(item(a).any->context_tokens, a) < std::pair(item(b).any->context_tokens, b);
  });
  double first = 0, sum = 0, n = 0;
  for (const Index i : order) {
    const auto tokens = static_cast<double>(item(i).any->context_tokens);
    if (gathered.lengths.empty() || tokens > kSameLength * first) {
      gathered.lengths.push_back(0);
      first = tokens;
      sum = n = 0;
    }
    sum += tokens;
    gathered.lengths.back() = static_cast<Index>(sum / ++n + 0.5);
    item(i).length = std::ssize(gathered.lengths) - 1;
  }
}

void name_items(Gathered& gathered) {
  std::map<std::string, Index> taken;
  for (auto& item : gathered.items) {
    item.key = item.any->suite + "/" + item.any->item;
    if (const Index before = taken[item.key]++; before > 0)
      item.key += "~" + std::to_string(before + 1);
  }
}

}  // namespace

Gathered gather(std::span<const ReportRun> runs) {
  Gathered gathered;
  std::map<std::pair<Index, std::string>, Index> arms;
  std::map<std::tuple<std::string, std::string, std::string>, Index> items;
  std::map<std::pair<std::string, std::set<std::string>>, Index> sets;
  for (Index r = 0; r < std::ssize(runs); ++r) {
    const ReportRun& run = runs[static_cast<std::size_t>(r)];
    const Library library(run);
    std::map<Index, const Prediction*> full;  // by item
    std::set<std::string> documents;
    const std::size_t first = gathered.answers.size();
    for (const Prediction& p : run.predictions) {
      const auto [arm, new_arm] = arms.try_emplace({r, p.canonical}, std::ssize(gathered.arms));
      if (new_arm) {
        gathered.arms.push_back(
            {r, p.recipe, p.canonical, "", "", p.twin, false, p.oracle, p.cold_bytes > 0});
        split_budget(gathered.arms.back());
      }
      gathered.arms[static_cast<std::size_t>(arm->second)].sees_question |= p.sees_question;
      const auto [item, new_item] =
          items.try_emplace({p.suite, p.item, p.document_hash}, std::ssize(gathered.items));
      if (new_item) gathered.items.push_back({.any = &p});
      ReportItem& entry = gathered.items[static_cast<std::size_t>(item->second)];
      if (!entry.document) entry.document = library.find(p);
      if (p.canonical == "full") full.emplace(item->second, &p);
      documents.insert(p.suite + "/" + p.document + "/" + p.document_hash);
      gathered.answers.push_back({&p, nullptr, arm->second, item->second, fate_of(p)});
    }
    for (std::size_t i = first; i < gathered.answers.size(); ++i)
      if (const auto match = full.find(gathered.answers[i].item);
          match != full.end() && same_item(*gathered.answers[i].prediction, *match->second))
        gathered.answers[i].full = match->second;
    gathered.sets.push_back(
        sets.try_emplace({run.model, std::move(documents)}, std::ssize(sets)).first->second);
  }
  for (auto& item : gathered.items) {
    item.spans = spans_of(item.document, item.any->item);
    item.depth = depth_of(item);
  }
  group_lengths(gathered);
  name_items(gathered);
  return gathered;
}

}  // namespace pith::eval
