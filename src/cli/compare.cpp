#include "eval/compare.h"

#include <cmath>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"

namespace pith::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pith compare runs/before runs/after
  pith compare runs/s0 runs/s0 --arm-a "random @ 4x" --arm-b "kvzip_plus + global @ 4x"
Differences are paired: only items that both runs answered count, questions of one document together.)";

struct CompareCommand {
  std::string a, b, arm_a, arm_b;
  bool json = false;
};

std::string signed_percent(double share) {
  return std::isnan(share) ? "?" : fmt::format("{:+.1f}", 100 * share);
}

void compare_command(const CompareCommand& command) {
  const auto comparisons = eval::compare(eval::read_run(command.a), eval::read_run(command.b),
                                         command.arm_a, command.arm_b);
  Index left_out = 0;
  Table table;
  for (const char* title : {"task", "A", "B"}) table.add_column(title, Table::Align::left);
  for (const char* title : {"n", "A %", "B %", "B - A", "95 %", "p (Holm)", "gained", "lost"})
    table.add_column(title);
  for (const auto& c : comparisons) {
    if (c.task == "all") left_out += c.left_out;
    const auto& d = c.difference.difference;
    if (command.json) {
      put_json({{"task", c.task},
                {"recipe_a", c.recipe_a},
                {"recipe_b", c.recipe_b},
                {"n", d.n},
                {"score_a", c.score_a},
                {"score_b", c.score_b},
                {"difference", d.mean},
                {"ci_low", d.low},
                {"ci_high", d.high},
                {"p", c.difference.p_value},
                {"p_holm", c.p_holm},
                {"gained", c.gained},
                {"lost", c.lost},
                {"left_out", c.left_out},
                {"cache_bytes_a", c.bytes_a},
                {"cache_bytes_b", c.bytes_b}});
      continue;
    }
    table.add_row({c.task, c.recipe_a, c.recipe_b, human_count(d.n),
                   fmt::format("{:.1f}", 100 * c.score_a), fmt::format("{:.1f}", 100 * c.score_b),
                   signed_percent(d.mean),
                   fmt::format("{} to {}", signed_percent(d.low), signed_percent(d.high)),
                   fmt::format("{:.3f}", c.p_holm), human_count(c.gained), human_count(c.lost)});
  }
  if (!command.json) put(table.to_string());
  if (left_out > 0)
    note(
        fmt::format("{} answers are left out: they bear the same name in both runs, but are to "
                    "another text or question (other tokens, seed, files or tokenizer)",
                    human_count(left_out)));
}

}  // namespace

void add_compare(CLI::App& app) {
  auto command = std::make_shared<CompareCommand>();
  CLI::App* sub =
      app.add_subcommand("compare", "Compare two finished runs of pith eval, item by item");
  sub->add_option("a", command->a, "Folder of the first run")->required()->type_name("DIR");
  sub->add_option("b", command->b, "Folder of the second run")->required()->type_name("DIR");
  sub->add_option("--arm-a", command->arm_a,
                  "Recipe of the first run (all that both have, without)")
      ->type_name("RECIPE");
  sub->add_option("--arm-b", command->arm_b, "Recipe of the second run")->type_name("RECIPE");
  sub->add_flag("--json", command->json, "One object per comparison");
  sub->footer(kExamples);
  sub->callback([command] { compare_command(*command); });
}

}  // namespace pith::cli
