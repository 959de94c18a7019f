#include "eval/runner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "base/stopwatch.h"
#include "engine/conversation/turn_recipe.h"
#include "engine/keeper.h"
#include "engine/learned/training_store.h"
#include "eval/arms.h"
#include "eval/corpus.h"
#include "eval/document_runner.h"
#include "eval/documents.h"
#include "eval/predictions.h"
#include "recipe/recipe.h"

namespace pith::eval {
namespace {

Corpus corpus_of(const Engine& engine, const RunConfig& config) {
  Corpus corpus(config.suites, config.suite, [&engine](std::string_view text) {
    return std::ssize(engine.tokenizer().encode(text));
  });
  for (const auto& suite : config.suites)
    check_range(suite, config.suite, engine.config().context_length);
  return corpus;
}

std::string item_key(const Engine& engine, const RunConfig& config, const std::string& suite,
                     Index number) {
  return hash_of(fmt::format("{}|{}|{}|{}|{}", settings_of(engine, config),
                             fmt::join(config.suites, ","), config.suite.contexts, suite, number));
}

class Runner {
 public:
  Runner(const std::shared_ptr<Engine>& engine, const RunConfig& config,
         const std::filesystem::path& out, const std::filesystem::path& file,
         const std::function<void(const RunProgress&)>& progress)
      : engine_(engine),
        corpus_(corpus_of(*engine, config)),
        log_(out, file),
        written_(out, file),
        documents_(engine, config, log_,
                   {.on_answers = [this] { report(); },
                    .on_step = [this](const std::string& doing, Index step,
                                      Index steps) { report(doing, step, steps); }}),
        arms_(arm_count(config)),
        progress_(progress) {
    engine_->set_training_store(std::make_shared<TrainingStore>(
        out / "virtual", [this](Index turn, Index turns, Index step, Index steps, float loss) {
          report("optimising", step, steps,
                 fmt::format(", turn {} of {} at loss {:.3g}", turn, turns, loss));
        }));
  }
  ~Runner() { engine_->set_training_store(nullptr); }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  const Corpus& corpus() const { return corpus_; }

  RunSummary run(const std::vector<Index>& numbers) {
    watch_ = {};
    total_ = std::ssize(numbers) * arms_;
    RunSummary& summary = documents_.summary();
    for (Index i : numbers) {
      const Stopwatch making;
      const Document document = corpus_.document(i);
      const auto asked = record_of(corpus_.suite(i), document, engine_->tokenizer());
      if (!written_.has(asked)) written_.add(asked);
      summary.make_s += making.seconds();
      what_ = fmt::format("{} {}", corpus_.suite(i), document.id);
      items_ = std::ssize(document.items);
      answered_ = summary.answered;
      skipped_ = summary.skipped;
      if (documents_.run(corpus_.suite(i), document))
        done_ += arms_;
      else
        total_ -= arms_;
      answered_ = summary.answered;
      skipped_ = summary.skipped;
      report();
    }
    summary.seconds = watch_.seconds();
    return summary;
  }

 private:
  void report(const std::string& doing = "", Index step = 0, Index steps = 0,
              const std::string& more = "") {
    if (!progress_) return;
    RunProgress now = progress();
    now.what += more;
    now.doing = doing;
    now.step = step;
    now.steps = steps;
    progress_(now);
  }
  RunProgress progress() {
    const RunSummary& summary = documents_.summary();
    const double seconds = watch_.seconds();
    const Index here = summary.answered - answered_ + summary.skipped - skipped_;
    return {.done = done_ + here / std::max<Index>(1, items_),
            .total = total_,
            .seconds = seconds,
            .kernel_share = summary.kernel_seconds() / seconds,
            .what = what_,
            .doing = "",
            .step = 0,
            .steps = 0};
  }

  std::shared_ptr<Engine> engine_;
  Corpus corpus_;
  PredictionLog log_;
  DocumentLog written_;
  DocumentRunner documents_;
  Index arms_;
  std::function<void(const RunProgress&)> progress_;  // may be empty
  Stopwatch watch_;
  std::string what_;
  Index done_ = 0, total_ = 0;                    // arms of documents
  Index items_ = 0, answered_ = 0, skipped_ = 0;  // of the document at hand, before it
};

// Throws what reading under the arm's schedule would throw at its first document, whose turns, if
// it has any, are not known yet.
void check_schedule(const std::shared_ptr<Engine>& engine, const RunArm& arm) {
  if (arm.once()) return;
  if (arm.schedule.when == When::turn) return check_turn_recipe(arm.recipe);
  Context empty(engine);
  const Keeper keeper(empty, arm.recipe, {.answer_prompt = {}, .turn_starts = {0}});
}

}  // namespace

EngineOptions engine_options(const RunConfig& config) {
  return {.threads = config.threads,
          .numerics = config.exact ? Numerics::exact : Numerics::fast,
          .ignore_batch_size = true};
}

void check_run(const std::shared_ptr<Engine>& engine, const RunConfig& config) {
  corpus_of(*engine, config);
  recipe::SignalNeeds needs;
  for (const RunArm& arm : all_arms(config)) {
    check_schedule(engine, arm);
    if (!arm.once()) continue;
    try {
      needs |= arm.recipe.needs();
    } catch (const Error& error) {
      fail(error.code(),
           fmt::format("{} beside the recipes before it: {}", arm.name(), error.what()));
    }
  }
}

RunSummary run_suites(const std::shared_ptr<Engine>& engine, const RunConfig& config,
                      const std::filesystem::path& out,
                      const std::function<void(const RunProgress&)>& progress) {
  const std::string file =
      config.shards == 1 ? "predictions.jsonl"
                         : fmt::format("predictions-{}-of-{}.jsonl", config.shard, config.shards);
  Runner runner(engine, config, out, file, progress);
  std::vector<Index> numbers;
  for (Index i = config.shard; i < runner.corpus().size(); i += config.shards) numbers.push_back(i);
  return runner.run(numbers);
}

std::vector<WorkItem> work_items(const Engine& engine, const RunConfig& config) {
  const Corpus corpus = corpus_of(engine, config);
  all_arms(config);  // refuses what it does not know
  std::vector<WorkItem> items;
  for (Index i = 0; i < corpus.size(); ++i)
    items.push_back({i, item_key(engine, config, corpus.suite(i), i), corpus.suite(i)});
  return items;
}

RunSummary run_item(const std::shared_ptr<Engine>& engine, const RunConfig& config, Index number,
                    const std::filesystem::path& out) {
  const std::string suite = [&] {
    const Corpus corpus = corpus_of(*engine, config);
    if (number < 0 || number >= corpus.size())
      fail(ErrorCode::bad_input, fmt::format("work item {} of {}", number, corpus.size()));
    return corpus.suite(number);
  }();
  const std::string file = fmt::format("items/{}.jsonl", item_key(*engine, config, suite, number));
  return Runner(engine, config, out, file, {}).run({number});
}

void merge_runs(const std::vector<std::filesystem::path>& folders,
                const std::filesystem::path& out) {
  std::optional<RecordedRun> run;
  for (const auto& folder : folders) {
    const RecordedRun one = read_recorded(folder);
    run = run ? joined(*run, one, folders.front().string()) : one;
  }
  if (!run) fail(ErrorCode::bad_input, "no runs to merge");
  // What `out` holds already stays, and nobody adds to it while its file is replaced.
  const LineFile held(out / "predictions.jsonl");
  std::vector<std::filesystem::path> all_folders = folders;
  const bool among = std::any_of(folders.begin(), folders.end(), [&](const auto& folder) {
    return std::filesystem::equivalent(folder, out);
  });
  if (!among && holds_predictions(out)) all_folders.insert(all_folders.begin(), out);
  const std::vector<Prediction> all = read_runs(all_folders);
  record(*run, out);
  FileWriter writer(out / "predictions.jsonl");
  for (const auto& prediction : all) writer.write(to_line(prediction) + "\n");
  writer.commit();
  DocumentLog written(out, "predictions.jsonl");
  for (const auto& folder : folders)
    for (const auto& document : read_documents(folder))
      if (!written.has(document)) written.add(document);
}

Estimate estimate_run(const std::shared_ptr<Engine>& engine, const RunConfig& config,
                      Index most_arms) {
  const std::vector<RunArm> arms = all_arms(config);
  RunConfig part = config;
  part.twins = false;
  part.budgets.clear();
  part.baseline = "full";
  part.recipes.clear();
  const Index taken = std::min(most_arms, std::ssize(arms));
  for (Index i = 0; i < taken; ++i)
    part.recipes.push_back(
        arms[static_cast<std::size_t>(i * std::ssize(arms) / taken)].to_string());
  // One recipe with a replay makes the document be read twice, so one must be among them.
  const auto replays = [](const RunArm& arm) { return arm.once() && arm.recipe.needs().replays(); };
  const auto replayed = std::find_if(arms.begin(), arms.end(), replays);
  if (replayed != arms.end()) part.recipes.push_back(replayed->to_string());

  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("pith-estimate-{}", ::getpid());
  const auto remove = [&] { std::filesystem::remove_all(folder); };
  remove();
  Estimate estimate;
  RunSummary summary;
  try {
    Runner runner(engine, part, folder, "predictions.jsonl", {});
    estimate.documents = runner.corpus().size();
    summary = runner.run({estimate.documents / 2});
  } catch (...) {
    remove();
    throw;
  }
  remove();
  estimate.arms = arm_count(config);
  estimate.measured_arms = arm_count(part);
  estimate.measured_answers = summary.answered;
  estimate.measured_seconds = summary.seconds;
  estimate.kernel_share = summary.kernel_seconds() / summary.seconds;
  const auto measured = static_cast<double>(estimate.measured_arms);
  estimate.read_s = summary.make_s + summary.read_s;
  estimate.replay_s = summary.replay_s;
  estimate.compress_s = summary.compress_s / measured;
  estimate.answer_s =
      (summary.seconds - estimate.read_s - summary.replay_s - summary.compress_s) / measured;
  estimate.seconds =
      static_cast<double>(estimate.documents) *
      (estimate.read_s + estimate.replay_s +
       static_cast<double>(estimate.arms) * (estimate.compress_s + estimate.answer_s));
  return estimate;
}

}  // namespace pith::eval
