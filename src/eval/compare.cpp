#include "eval/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "eval/arms.h"

namespace pith::eval {
namespace {

using Items = std::map<std::string, const Prediction*>;  // by suite, document and item

bool is_arm(const Prediction& p, const std::string& name) {
  return p.canonical == name || p.recipe == name;
}

Items items_of(std::span<const Prediction> predictions, const std::string& arm) {
  Items items;
  for (const auto& p : predictions)
    if (is_arm(p, arm)) items.emplace(identity(p), &p);
  return items;
}

struct Pair {
  const Prediction *a, *b;
};

// Pairs of one task, and how many more have but their names in common.
struct Pairs {
  std::vector<Pair> same;
  Index left_out = 0;
};

Comparison measure(const Pairs& found, const std::string& task, std::uint64_t seed) {
  const std::vector<Pair>& pairs = found.same;
  const auto n = static_cast<double>(pairs.size());
  Comparison result;
  result.recipe_a = pairs.front().a->recipe;
  result.recipe_b = pairs.front().b->recipe;
  result.task = task;
  std::vector<double> a, b;
  std::vector<Index> clusters;
  std::map<std::string, Index> documents;
  for (const auto& pair : pairs) {
    a.push_back(pair.a->score);
    b.push_back(pair.b->score);
    clusters.push_back(
        documents.try_emplace(document_of(*pair.a), std::ssize(documents)).first->second);
    result.score_a += pair.a->score / n;
    result.score_b += pair.b->score / n;
    result.bytes_a += static_cast<double>(pair.a->cache_bytes) / n;
    result.bytes_b += static_cast<double>(pair.b->cache_bytes) / n;
    result.gained += pair.b->score == 1 && pair.a->score < 1;
    result.lost += pair.a->score == 1 && pair.b->score < 1;
  }
  result.left_out = found.left_out;
  result.difference = paired_difference(b, a, clusters, seed);
  return result;
}

void correct(std::vector<Comparison>& comparisons) {
  std::set<std::string> tasks;
  for (const auto& comparison : comparisons) tasks.insert(comparison.task);
  for (const auto& task : tasks) {
    std::vector<double> p_values;
    for (const auto& c : comparisons)
      if (c.task == task) p_values.push_back(c.difference.p_value);
    const auto corrected = holm(p_values);
    std::size_t next = 0;
    for (auto& c : comparisons)
      if (c.task == task) c.p_holm = corrected[next++];
  }
}

std::string list_of_arms(std::span<const Prediction> predictions) {
  std::string names;
  std::set<std::string> listed;
  for (const auto& p : predictions)
    if (listed.insert(p.recipe).second)
      names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", p.recipe);
  return names;
}

// An arm by its name as given or in full, or by any text for the same recipe.
std::string find_arm(std::span<const Prediction> predictions, const std::string& name,
                     std::string_view option, std::string_view run) {
  const auto is_there = [&](const std::string& arm) {
    return std::any_of(predictions.begin(), predictions.end(),
                       [&](const Prediction& p) { return is_arm(p, arm); });
  };
  if (is_there(name)) return name;
  try {
    if (const std::string canonical = parse_arm(name).to_string(); is_there(canonical))
      return canonical;
  } catch (const Error&) {  // no recipe: not the name of an arm, then
  }
  fail(ErrorCode::bad_input, fmt::format("{}: the {} run has no arm \"{}\"; it has {}", option, run,
                                         name, list_of_arms(predictions)));
}

}  // namespace

std::vector<Comparison> compare(std::span<const Prediction> a, std::span<const Prediction> b,
                                const std::string& arm_a, const std::string& arm_b,
                                std::uint64_t seed) {
  std::vector<std::pair<std::string, std::string>> arms;
  if (!arm_a.empty() || !arm_b.empty()) {
    const bool both = !arm_a.empty() && !arm_b.empty();
    const std::string_view one = arm_a.empty() ? "--arm-b" : "--arm-a";
    const std::string left =
        find_arm(a, arm_a.empty() ? arm_b : arm_a, both ? "--arm-a" : one, "first");
    arms.emplace_back(left,
                      find_arm(b, arm_b.empty() ? arm_a : arm_b, both ? "--arm-b" : one, "second"));
  } else {
    for (const auto& p : a)
      if (std::none_of(arms.begin(), arms.end(),
                       [&](const auto& arm) { return arm.first == p.canonical; }))
        arms.emplace_back(p.canonical, p.canonical);
  }
  std::vector<Comparison> comparisons;
  Index left_out = 0;
  for (const auto& [name_a, name_b] : arms) {
    const Items left = items_of(a, name_a), right = items_of(b, name_b);
    std::map<std::string, Pairs> tasks;
    Pairs all;
    for (const auto& [item, p] : left) {
      const auto match = right.find(item);
      if (match == right.end()) continue;
      const bool same = same_item(*p, *match->second);
      for (Pairs* pairs : {&all, &tasks[p->task]})
        if (same)
          pairs->same.push_back({p, match->second});
        else
          ++pairs->left_out;
    }
    left_out += all.left_out;
    for (const auto& [task, pairs] : tasks)
      if (!pairs.same.empty()) comparisons.push_back(measure(pairs, task, seed));
    if (!all.same.empty()) comparisons.push_back(measure(all, "all", seed));
  }
  if (comparisons.empty() && left_out > 0)
    fail(ErrorCode::bad_input,
         fmt::format("all {} answers that bear the same name in both runs are to other texts or "
                     "questions; compare runs of the same suite, tokens and seed. A generated "
                     "document is as long as the model's tokenizer makes it: models with other "
                     "tokenizers can be compared on files alone (folder:DIR)",
                     left_out));
  if (comparisons.empty())
    fail(ErrorCode::bad_input,
         "the two runs have no item of a recipe in common; compare runs of the same suite, tokens "
         "and seed, or name the arms with --arm-a and --arm-b");
  correct(comparisons);
  return comparisons;
}

}  // namespace pith::eval
