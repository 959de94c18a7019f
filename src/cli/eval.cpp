#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "cli/commands.h"
#include "cli/eval_tables.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/steps.h"
#include "eval/arms.h"
#include "eval/metrics.h"
#include "eval/predictions.h"
#include "eval/run_config.h"
#include "eval/runner.h"

namespace pith::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pith eval --list
  pith eval --suite needles --tokens 1000 --contexts 5 --kv "kvzip_plus + global @ 4x" --kv "random @ 4x" --out runs/needles
  pith eval leaderboard.yaml --out runs/board --estimate
  pith eval --suite ruler --kv snapkv --kv knorm --budgets 2x,4x,8x --twins --out runs/ruler --shard 0/4
  pith eval --suite folder:my_documents --kv "summary_route" --out runs/mine
  pith eval --merge runs/node1 runs/node2 --out runs/both
A YAML file has the options as keys; options given beside it count more. Documents are read once and compressed before any question is
seen; recipes that look at the question are marked. `full` always runs. The same command goes on where a killed run stopped, and more
suites, recipes or contexts are added to a finished one: what is in predictions.jsonl is not computed again.)";

// Arms that an estimate measures; the rest is taken to cost the same.
constexpr Index kEstimatedArms = 8;

struct EvalCommand {
  ModelOptions model;
  eval::RunConfig given;  // by options
  std::string file, file_option, shard;
  std::vector<std::string> merge;
  bool list = false, json = false, estimate = false;
};

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
    table.add_row(
        {suite.name, suite.summary, suite.source, fmt::format("{}", fmt::join(suite.tasks, ", "))});
  put(table.to_string(terminal_columns()));
}

void take_shard(const std::string& shard, eval::RunConfig& config) {
  try {
    eval::set_shard(shard, config);
  } catch (const Error& error) {
    throw CLI::ValidationError("--shard", error.what());
  }
}

// The file's settings, overridden by the options that were given.
eval::RunConfig settings(const CLI::App& sub, const EvalCommand& command) {
  if (!command.file.empty() && !command.file_option.empty())
    throw CLI::ValidationError("--config", "one YAML file, please");
  const std::string& file = command.file.empty() ? command.file_option : command.file;
  eval::RunConfig config = file.empty() ? eval::RunConfig{} : eval::read_config(file);
  const eval::RunConfig& given = command.given;
  const auto is_given = [&](const char* name) { return sub.get_option(name)->count() > 0; };
  if (is_given("--model") || config.model.empty()) config.model = command.model.model;
  if (is_given("--threads")) config.threads = command.model.threads;
  if (is_given("--exact")) config.exact = command.model.exact;
  if (is_given("--suite")) config.suites = given.suites;
  if (is_given("--tokens")) config.suite.tokens = given.suite.tokens;
  if (is_given("--contexts")) config.suite.contexts = given.suite.contexts;
  if (is_given("--seed")) config.suite.seed = given.suite.seed;
  if (is_given("--kv")) config.recipes = given.recipes;
  if (is_given("--budgets")) config.budgets = given.budgets;
  if (is_given("--baseline")) config.baseline = given.baseline;
  if (is_given("--twins")) config.twins = given.twins;
  if (is_given("--question-aware")) config.question_aware = given.question_aware;
  if (is_given("--check")) config.check = given.check;
  if (is_given("--together")) config.together = given.together;
  if (is_given("--shard")) take_shard(command.shard, config);
  if (is_given("--out")) config.out = given.out;
  return config;
}

void show_metrics(const std::filesystem::path& out, const std::string& baseline, bool json) {
  const auto arms = eval::compute_metrics(eval::read_run(out), baseline);
  const std::string metrics = eval::metrics_json(arms, baseline);
  FileWriter writer(out / "metrics.json");
  writer.write(metrics);
  writer.commit();
  if (json)
    put_json(Json::parse(metrics));
  else
    put(arms_table(arms) + twins_table(arms));
  Index left_out = 0;
  for (const auto& arm : arms)
    if (arm.task == "all") left_out += arm.left_out;
  if (left_out > 0)
    note(
        fmt::format("{} answers are left out of the differences: they bear the names of answers "
                    "of `full`, but are to another text or question (files that have changed "
                    "between two runs)",
                    human_count(left_out)));
}

void merge(const EvalCommand& command, const eval::RunConfig& config) {
  const std::vector<std::filesystem::path> folders(command.merge.begin(), command.merge.end());
  eval::merge_runs(folders, config.out);
  show_metrics(config.out, config.baseline, command.json);
}

void show_estimate(const std::shared_ptr<Engine>& engine, const eval::RunConfig& config,
                   bool json) {
  const auto e = eval::estimate_run(engine, config, kEstimatedArms);
  if (json) {
    put_json({{"documents", e.documents},
              {"arms", e.arms},
              {"seconds", e.seconds},
              {"measured_documents", 1},
              {"measured_arms", e.measured_arms},
              {"measured_answers", e.measured_answers},
              {"measured_seconds", e.measured_seconds},
              {"kernel_share", e.kernel_share},
              {"read_s", e.read_s},
              {"replay_s", e.replay_s},
              {"compress_s", e.compress_s},
              {"answer_s", e.answer_s}});
    return;
  }
  print("{} documents x {} arms: about {} s ({:.1f} h) on this machine\n", human_count(e.documents),
        human_count(e.arms), human_seconds(e.seconds), e.seconds / 3600);
  print(
      "measured on one document with {} arms ({} answers in {} s, {:.0f} % of it reading and "
      "decoding): {} s to read it, {} s to replay it, and per arm {} s to compress and {} s to "
      "answer\n",
      e.measured_arms, e.measured_answers, human_seconds(e.measured_seconds), 100 * e.kernel_share,
      human_seconds(e.read_s), human_seconds(e.replay_s), human_seconds(e.compress_s),
      human_seconds(e.answer_s));
}

void run(const std::shared_ptr<Engine>& engine, const eval::RunConfig& config) {
  eval::record(eval::recorded(config, eval::facts_of(*engine)), config.out);
  StepProgress steps("answering: documents x recipes");
  const auto show = steps.callback();
  std::optional<StepProgress> step;  // of reading a document, replaying it, optimising a turn
  Progress show_step;
  std::string doing;
  Index last = 0;  // step
  const auto summary =
      eval::run_suites(engine, config, config.out, [&](const eval::RunProgress& progress) {
        if (progress.doing.empty()) {
          doing.clear();  // the next reading is another document's
          return show(progress.done, progress.total);
        }
        if (doing != progress.doing || progress.step <= last) {
          doing = progress.doing;
          step.emplace(doing);
          show_step = step->callback();
        }
        last = progress.step;
        show_step(progress.step, progress.steps);
      });
  for (const std::string& text : summary.notes) note(text);
  if (summary.answered > 0)
    note(fmt::format(
        "{} answers in {} s, {:.0f} % of it reading and decoding; {} were there already",
        human_count(summary.answered), human_seconds(summary.seconds),
        100 * summary.kernel_seconds() / summary.seconds, human_count(summary.skipped)));
}

void eval_command(const CLI::App& sub, const EvalCommand& command) {
  if (command.list) return list_suites(command.json);
  const eval::RunConfig config = settings(sub, command);
  if (config.out.empty() && !command.estimate)
    throw CLI::ValidationError("--out", "name the folder for the results");
  if (!command.merge.empty()) return merge(command, config);
  if (config.suites.empty())
    throw CLI::ValidationError("--suite", "which suite? pith eval --list names them");
  if (!config.budgets.empty() && config.recipes.empty())
    throw CLI::ValidationError("--budgets", "of which recipes? name them with --kv");
  eval::all_arms(config);  // refuses what it does not know before the model is loaded
  const auto engine = Engine::load(find_model(config.model), eval::engine_options(config));
  eval::check_run(engine, config);
  if (command.estimate) return show_estimate(engine, config, command.json);
  run(engine, config);
  show_metrics(config.out, config.baseline, command.json);
}

}  // namespace

void add_eval(CLI::App& app) {
  auto command = std::make_shared<EvalCommand>();
  eval::RunConfig& given = command->given;
  CLI::App* sub =
      app.add_subcommand("eval", "Measure recipes on suites of questions, with intervals");
  add_model_options(*sub, command->model);
  sub->add_option("config", command->file, "Settings: a YAML file of these options")
      ->type_name("FILE");
  sub->add_option("--config", command->file_option,
                  "Settings: a YAML file of these options (as FILE alone)")
      ->type_name("FILE");
  sub->add_option("--suite", given.suites,
                  "Suites or tasks, separated by commas; see --list. Or folder:DIR with documents "
                  "and questions.jsonl, ruler:FILE, longbench:FILE")
      ->delimiter(',')
      ->type_name("NAME")
      ->allow_extra_args(false);
  sub->add_option("--tokens", given.suite.tokens, "Tokens of a document")
      ->capture_default_str()
      ->check(in_range(64, Index{1} << 24));
  sub->add_option("--contexts", given.suite.contexts, "Documents per task")
      ->capture_default_str()
      ->check(in_range(1, 100000));
  sub->add_option("--seed", given.suite.seed, "Of the documents")
      ->check(seed_number())
      ->capture_default_str();
  sub->add_option(
         "--kv", given.recipes,
         "A recipe (repeat for more); `full` always runs. \"… when turn\", \"… when again\" and "
         "\"… when chunk:512\" compress while the document is read")
      ->type_name("RECIPE")
      ->allow_extra_args(false);
  sub->add_option("--budgets", given.budgets,
                  "Budgets, separated by commas, for each recipe without one")
      ->delimiter(',')
      ->type_name("B")
      ->allow_extra_args(false);
  sub->add_flag("--twins", given.twins,
                "Beside each recipe that chooses, run random, recency and evenly spaced entries at "
                "its bytes");
  sub->add_option("--baseline", given.baseline, "Also take differences to this recipe")
      ->type_name("RECIPE");
  sub->add_option("--out", given.out, "Folder for config.yaml, predictions.jsonl and metrics.json")
      ->type_name("DIR");
  sub->add_option("--shard", command->shard,
                  "Take part I of N of the documents (Slurm arrays, Kubernetes indexed jobs)")
      ->type_name("I/N");
  sub->add_option("--together", given.together, "Answers decoded at once; changes no answer")
      ->capture_default_str()
      ->check(in_range(1, 256));
  sub->add_flag("--question-aware", given.question_aware,
                "Read each question with its document, before compressing");
  sub->add_flag("--check", given.check,
                "Measure, too, what of the document each compressed cache repeats, as pith run "
                "shows it; changes no answer");
  sub->add_flag("--estimate", command->estimate,
                "Measure a part and say how long the run would take; writes nothing");
  sub->add_option("--merge", command->merge,
                  "Gather finished runs or shards into --out instead of running")
      ->type_name("DIR");
  sub->add_flag("--list", command->list, "List the suites");
  sub->add_flag("--json", command->json, "Print metrics.json on one line instead of tables");
  sub->footer(kExamples);
  sub->callback([command, sub] { eval_command(*sub, *command); });
}

}  // namespace pith::cli
