#include "cli/eval_tables.h"

#include <algorithm>
#include <cmath>

#include "cli/output.h"

namespace pith::cli {
namespace {

// "83.3 [60.1, 94.9]"; bounds that cannot be known are left out.
std::string percent(const eval::Interval& interval) {
  if (std::isnan(interval.low)) return fmt::format("{:.1f}", 100 * interval.mean);
  return fmt::format("{:.1f} [{:.1f}, {:.1f}]", 100 * interval.mean, 100 * interval.low,
                     100 * interval.high);
}

// The lines "all" say nothing new where there is one task.
bool says_nothing_new(std::span<const eval::ArmMetrics> arms, const eval::ArmMetrics& arm) {
  return arm.task == "all" && std::all_of(arms.begin(), arms.end(), [&](const auto& other) {
           return other.task == "all" || other.task == arms.front().task;
         });
}

// "-4.2 [-9.3, +0.9]", with its n where that is not the arm's.
std::string difference(const eval::Difference* difference, Index n) {
  if (!difference) return "";
  const auto& d = difference->measured.difference;
  std::string text = fmt::format("{:+.1f}", 100 * d.mean);
  if (!std::isnan(d.low)) text += fmt::format(" [{:+.1f}, {:+.1f}]", 100 * d.low, 100 * d.high);
  return d.n == n ? text : text + fmt::format(" (n {})", d.n);
}

std::string p_value(const eval::Difference* difference) {
  return difference ? fmt::format("{:.3f}", difference->p_holm) : "";
}

}  // namespace

std::string arms_table(std::span<const eval::ArmMetrics> arms) {
  const bool baseline =
      std::any_of(arms.begin(), arms.end(), [](const auto& a) { return a.against("baseline"); });
  Table table;
  table.add_column("task", Table::Align::left);
  table.add_column("recipe", Table::Align::left);
  for (const char* title : {"n", "score %", "of what full gets (n)", "to full", "p (Holm)"})
    table.add_column(title);
  if (baseline)
    for (const char* title : {"to baseline", "p (Holm)"}) table.add_column(title);
  const bool checked =
      std::any_of(arms.begin(), arms.end(), [](const auto& a) { return !std::isnan(a.repeats); });
  if (checked) table.add_column("repeats %");
  for (const char* title : {"×", "cache", "compress s"}) table.add_column(title);
  for (const auto& arm : arms) {
    if (!arm.twin.empty() || says_nothing_new(arms, arm)) continue;
    std::vector<std::string> row = {
        arm.task,
        arm.recipe + (arm.cold_bytes > 0  ? " (sees the question, keeps the full cache)"
                      : arm.sees_question ? " (sees the question)"
                                          : ""),
        human_count(arm.score.n),
        percent(arm.score),
        arm.conditional.n > 0 ? fmt::format("{} ({})", percent(arm.conditional), arm.conditional.n)
                              : "",
        difference(arm.against("full"), arm.score.n),
        p_value(arm.against("full"))};
    if (baseline) {
      row.push_back(difference(arm.against("baseline"), arm.score.n));
      row.push_back(p_value(arm.against("baseline")));
    }
    if (checked)
      row.push_back(std::isnan(arm.repeats) ? "" : fmt::format("{:.1f}", 100 * arm.repeats));
    row.push_back(fmt::format("{:.1f}", arm.ratio));
    row.push_back(human_bytes(static_cast<Index>(arm.cache_bytes)));
    row.push_back(human_seconds(arm.compress_s));
    table.add_row(std::move(row));
  }
  return table.to_string() +
         "\nscore: mean with its 95 % interval, questions of one document taken together. ×: full "
         "bf16 cache / bytes of this cache.\n" +
         (checked ? "repeats: of a sample of the document, the share of the tokens that the whole "
                    "cache repeats and this one does, too.\n"
                  : "");
}

std::string twins_table(std::span<const eval::ArmMetrics> arms) {
  Table table;
  for (const char* title : {"task", "recipe", "twin"}) table.add_column(title, Table::Align::left);
  for (const char* title : {"n", "score %", "twin's %", "over the twin", "p (Holm)"})
    table.add_column(title);
  bool any = false;
  for (const auto& arm : arms)
    for (const auto& d : arm.differences) {
      if (d.against == "full" || d.against == "baseline" || says_nothing_new(arms, arm)) continue;
      any = true;
      table.add_row({arm.task, arm.recipe, d.against, human_count(d.measured.difference.n),
                     fmt::format("{:.1f}", 100 * arm.score.mean),
                     fmt::format("{:.1f}", 100 * d.other_score),
                     difference(&d, d.measured.difference.n), p_value(&d)});
    }
  return any ? "\n" + table.to_string() +
                   "\nA twin keeps random, the newest, or evenly spaced entries in the same "
                   "bytes, document by document.\n"
             : "";
}

}  // namespace pith::cli
