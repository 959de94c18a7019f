#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/files.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/schedule_option.h"
#include "cli/steps.h"
#include "eval/metrics.h"
#include "eval/predictions.h"
#include "eval/runner.h"

namespace pith::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pith eval --list
  pith eval --suite needles --tokens 1000 --contexts 5 --kv "kvzip_plus + global @ 4x" --kv "random @ 4x" --out runs/needles
  pith eval -m qwen2.5-coder-1.5b-instruct --suite needles,kv --tokens 4096 --contexts 40 --kv "summary_route" --out runs/s0
  pith eval --suite ruler --tokens 4096 --kv "snapkv @ 4x" --out runs/ruler --shard 0/4
Documents are read once and compressed before any question is seen; recipes that look at the question are marked. `full` always runs.
The same command goes on where a killed run stopped: what is in predictions.jsonl is not computed again.)";

struct EvalCommand {
  ModelOptions model;
  eval::RunConfig config;
  std::string out, shard = "0/1", when = "prefill";
  bool list = false, json = false;
};

void parse_shard(const std::string& text, eval::RunConfig& config) {
  const auto slash = text.find('/');
  try {
    if (slash == std::string::npos) throw std::invalid_argument(text);
    config.shard = std::stoll(text.substr(0, slash));
    config.shards = std::stoll(text.substr(slash + 1));
  } catch (const std::exception&) {
    throw CLI::ValidationError("--shard",
                               fmt::format("'{}' is no shard; write I/N, such as 0/4", text));
  }
}

void list_suites(bool json) {
  if (json) {
    for (const auto& suite : eval::suites())
      put_json({{"suite", suite.name},
                {"summary", suite.summary},
                {"source", suite.source},
                {"tasks", suite.tasks}});
    return;
  }
  Table table;
  for (const char* title : {"suite", "what", "source", "tasks"})
    table.add_column(title, Table::Align::left);
  for (const auto& suite : eval::suites())
    table.add_row({suite.name, suite.summary, suite.source, fmt::format("{}", suite.tasks.size())});
  put(table.to_string());
}

Json config_json(const EvalCommand& command, const Engine& engine) {
  const auto& config = command.config;
  return {{"model", engine.config().name},
          {"model_hash", fmt::format("{:016x}", engine.model().hash())},
          {"numerics", numerics_name(engine)},
          {"isa", isa_name()},
          {"suites", config.suites},
          {"tokens", config.suite.tokens},
          {"contexts", config.suite.contexts},
          {"seed", config.suite.seed},
          {"recipes", config.recipes},
          {"question_aware", config.question_aware},
          {"when", to_string(config.schedule)},
          {"version", PITH_VERSION}};
}

std::string percent(const eval::Interval& interval) {
  return fmt::format("{:.1f} [{:.0f}, {:.0f}]", 100 * interval.mean, 100 * interval.low,
                     100 * interval.high);
}

void put_arms(const std::vector<eval::ArmMetrics>& arms) {
  Table table;
  table.add_column("task", Table::Align::left);
  table.add_column("recipe", Table::Align::left);
  for (const char* title :
       {"n", "score %", "of what full gets", "to full", "p (Holm)", "×", "compress s"})
    table.add_column(title);
  for (const auto& arm : arms) {
    const bool paired = arm.has_difference;
    table.add_row({arm.task, arm.recipe + (arm.sees_question ? " (sees the question)" : ""),
                   human_count(arm.score.n), percent(arm.score),
                   arm.conditional.n > 0 ? percent(arm.conditional) : "",
                   paired ? fmt::format("{:+.1f}", 100 * arm.to_baseline.difference.mean) : "",
                   paired ? fmt::format("{:.3f}", arm.p_holm) : "",
                   fmt::format("{:.1f}", arm.ratio), human_seconds(arm.compress_s)});
  }
  put(table.to_string());
  put("\nscore: mean with its 95 % interval, questions of one document taken together. ×: full "
      "bf16 cache / bytes of this cache.\n");
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  FileWriter writer(path);
  writer.write(text);
  writer.commit();
}

void eval_command(EvalCommand& command) {
  if (command.list) return list_suites(command.json);
  if (command.config.suites.empty())
    throw CLI::ValidationError("--suite", "which suite? pith eval --list names them");
  if (command.out.empty()) throw CLI::ValidationError("--out", "name the folder for the results");
  parse_shard(command.shard, command.config);
  command.config.schedule = parse_schedule(command.when, {When::prefill, When::chunk});
  if (command.config.schedule.when == When::chunk && command.config.question_aware)
    throw CLI::ValidationError("--when",
                               "--question-aware reads a document per question; leave one out");
  const auto engine = load_engine(command.model);
  command.config.model = command.model.model;
  const std::filesystem::path out = command.out;
  std::filesystem::create_directories(out);
  write_file(out / "config.json", config_json(command, *engine).dump(2) + "\n");
  StepProgress steps("answering");
  const auto show = steps.callback();
  const auto summary = eval::run_suites(
      engine, command.config, out,
      [&](const eval::RunProgress& progress) { show(progress.done, progress.total); });
  if (summary.answered > 0)
    note(fmt::format(
        "{} answers in {} s, {:.0f} % of it reading and decoding; {} were there already",
        human_count(summary.answered), human_seconds(summary.seconds),
        100 * summary.kernel_seconds / summary.seconds, human_count(summary.skipped)));
  const auto arms = eval::compute_metrics(eval::read_predictions(out / "predictions.jsonl"));
  const std::string metrics = eval::metrics_json(arms, "full");
  write_file(out / "metrics.json", metrics);
  if (command.json) {
    put(metrics);
    return;
  }
  put_arms(arms);
}

}  // namespace

void add_eval(CLI::App& app) {
  auto command = std::make_shared<EvalCommand>();
  CLI::App* sub =
      app.add_subcommand("eval", "Measure recipes on suites of questions, with intervals");
  add_model_options(*sub, command->model);
  sub->add_option("--suite", command->config.suites, "Suites, separated by commas; see --list")
      ->delimiter(',')
      ->type_name("NAME");
  sub->add_option("--tokens", command->config.suite.tokens, "Tokens of a document")
      ->capture_default_str()
      ->check(CLI::Range(Index{64}, Index{1} << 24));
  sub->add_option("--contexts", command->config.suite.contexts, "Documents per task")
      ->capture_default_str()
      ->check(CLI::Range(Index{1}, Index{100000}));
  sub->add_option("--seed", command->config.suite.seed, "Of the documents")->capture_default_str();
  sub->add_option("--kv", command->config.recipes, "A recipe (repeat for more); `full` always runs")
      ->type_name("RECIPE")
      ->allow_extra_args(false);
  add_schedule_option(*sub, command->when, "prefill or chunk:N (each recipe reads for itself)");
  sub->add_option("--out", command->out,
                  "Folder for config.json, predictions.jsonl and metrics.json")
      ->type_name("DIR");
  sub->add_option("--shard", command->shard,
                  "Take part I of N of the documents (Slurm arrays, Kubernetes indexed jobs)")
      ->type_name("I/N");
  sub->add_flag("--question-aware", command->config.question_aware,
                "Read each question with its document, before compressing");
  sub->add_flag("--list", command->list, "List the suites");
  sub->add_flag("--json", command->json, "Print metrics.json instead of a table");
  sub->footer(kExamples);
  sub->callback([command] { eval_command(*command); });
}

}  // namespace pith::cli
