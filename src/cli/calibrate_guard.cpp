#include "cli/calibrate_guard.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "cli/output.h"
#include "cli/steps.h"
#include "engine/calibration/calibration.h"
#include "engine/guard/guard.h"
#include "eval/document_runner.h"
#include "eval/guard_meter.h"
#include "eval/line_file.h"
#include "eval/suite.h"
#include "recipe/presets.h"

namespace pith::cli {
namespace {

constexpr std::uint64_t kSeed = 7002;  // not those of evaluations, which count from 1
constexpr double kRisks[] = {0.02, 0.05, 0.1, 0.2};

struct Job {
  std::string suite, task;
  Index index;
  bool test;
};

// Each task once, with the suite that named it first: its documents are the same in all.
std::vector<std::pair<std::string, std::string>> tasks_of(const std::vector<std::string>& suites) {
  std::vector<std::pair<std::string, std::string>> tasks;
  for (const std::string& suite : suites)
    for (const std::string& task : eval::tasks_of(suite))
      if (std::none_of(tasks.begin(), tasks.end(),
                       [&](const auto& known) { return known.second == task; }))
        tasks.emplace_back(suite, task);
  return tasks;
}

void refuse_overlap(const std::vector<std::string>& suites, const std::vector<std::string>& tests) {
  for (const auto& [suite, task] : tasks_of(suites))
    for (const auto& [test, tried] : tasks_of(tests))
      if (task == tried)
        fail(ErrorCode::bad_input,
             fmt::format("--tests {} has the task {}, which is calibrated on (--suites {}): the "
                         "same documents would be tried; name tests without it",
                         test, task, suite));
}

// Tasks turn by turn, so that a calibration that is made longer goes on from the shorter one.
std::vector<Job> jobs_of(const std::vector<std::string>& suites, Index documents, bool test) {
  const auto tasks = tasks_of(suites);
  std::vector<Job> jobs;
  for (Index i = 0; std::ssize(jobs) < documents; ++i)
    for (const auto& [suite, task] : tasks)
      if (std::ssize(jobs) < documents) jobs.push_back({suite, task, i, test});
  return jobs;
}

// Measurements that are made once: with a file, each is appended to it as it comes, under what
// decides it.
class Records {
 public:
  explicit Records(const std::string& file) {
    if (file.empty()) return;
    // Read before its torn end is cut off: another file is refused as it is.
    if (is_there(file))
      eval::for_each_whole_line(file, [&](std::string_view line) {
        const auto tab = std::min(line.find('\t'), line.size());
        known_.emplace(line.substr(0, tab), eval::parse_measurement(line.substr(tab)));
      });
    file_ = std::make_unique<eval::LineFile>(file);
  }
  const eval::GuardMeasurement* find(const std::string& key) const {
    const auto found = known_.find(key);
    return found == known_.end() ? nullptr : &found->second;
  }
  void add(const std::string& key, const eval::GuardMeasurement& measured) {
    if (file_) file_->add(key + '\t' + eval::to_line(measured));
  }

 private:
  std::unique_ptr<eval::LineFile> file_;
  std::map<std::string, eval::GuardMeasurement> known_;
};

Json to_json(const eval::GuardOutcome& outcome) {
  return {{"documents", outcome.documents}, {"right", outcome.right},
          {"risk", outcome.risk.mean},      {"risk_low", outcome.risk.low},
          {"risk_high", outcome.risk.high}, {"ratio", outcome.ratio},
          {"left_whole", outcome.whole}};
}

struct Group {
  std::string name;
  std::vector<eval::GuardMeasurement> measured;
};

void report(const GuardCalibration& command, const GuardTable& table,
            const std::vector<Group>& groups, const std::string& file) {
  Json risks = Json::array();
  Table shown;
  shown.add_column("risk asked");
  shown.add_column("documents", Table::Align::left);
  for (const char* title : {"n", "answers", "threshold", "ratio", "left whole", "risk found"})
    shown.add_column(title);
  for (const double risk : kRisks) {
    if (std::ssize(table.records) < records_needed(risk)) continue;
    const double threshold = conformal_threshold(table.records, risk);
    Json one = {{"risk", risk}, {"threshold", threshold}, {"outcomes", Json::object()}};
    for (const Group& group : groups) {
      const auto outcome = eval::outcome_at(group.measured, threshold);
      one["outcomes"][group.name] = to_json(outcome);
      shown.add_row({fmt::format("{}", risk), group.name, fmt::format("{}", outcome.documents),
                     fmt::format("{}", outcome.right), fmt::format("{:.4f}", threshold),
                     fmt::format("{:.1f}", outcome.ratio),
                     fmt::format("{:.0f} %", 100 * outcome.whole),
                     fmt::format("{:.3f} [{:.3f}, {:.3f}]", outcome.risk.mean, outcome.risk.low,
                                 outcome.risk.high)});
    }
    risks.push_back(std::move(one));
  }
  if (command.json) {
    put_json({{"model", model_label(command.model.model)},
              {"file", file},
              {"recipe", table.recipe},
              {"documents", table.records.size()},
              {"ladder", table.ladder},
              {"risks", risks}});
    return;
  }
  print("`{}` calibrated on {} documents ({}), saved in {}\n\n", table.recipe, table.records.size(),
        table.documents, file);
  put(shown.to_string());
  print(
      "\nrisk: share of the answers that the whole cache gets right and the compressed one does "
      "not, mean over documents. The first\nlines are of the calibration itself.\n");
}

}  // namespace

void calibrate_guard(const GuardCalibration& command) {
  const auto recipe = recipe::Recipe::parse(
      fmt::format("{} @ auto", command.recipe.empty() ? recipe::kDefaultRecipe : command.recipe));
  refuse_overlap(command.suites, command.tests);
  auto jobs = jobs_of(command.suites, command.documents, false);
  const std::set<std::string> tests(command.tests.begin(), command.tests.end());
  for (const std::string& suite : tests)
    for (Job& job : jobs_of({suite}, command.tests_documents, true)) jobs.push_back(std::move(job));
  // Otherwise answers would be lost to the number of those decoded beside them.
  const auto engine = load_engine(command.model, /*ignore_batch_size=*/true);
  const eval::TokenCounter count = [&](std::string_view text) {
    return std::ssize(engine->tokenizer().encode(text));
  };
  GuardTable table{
      .model_name = engine->config().name,
      .model_hash = engine->model().hash(),
      .recipe = guarded_parts(recipe),
      .documents = fmt::format("{} of {} tokens", fmt::join(command.suites, ", "), command.tokens),
      .ladder = default_ladder(),
      .records = {}};
  const std::string settings =
      fmt::format("{}|{:016x}|{}|{}|{}|{}|{}|{}|{}", eval::kAnswersVersion, table.model_hash,
                  numerics_name(*engine), isa_name(), looked_up_hash(*engine, recipe.needs()),
                  fmt::join(table.ladder, ","), table.recipe, command.tokens, kSeed);
  Records records(command.records);
  std::vector<Group> groups = {{"calibration", {}}};
  StepProgress progress("measuring documents");
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const Job& job = jobs[i];
    const std::string key = fmt::format("{}|{}|{}", settings, job.task, job.index);
    eval::GuardMeasurement measured;
    if (const auto* known = records.find(key)) {
      measured = *known;
    } else {
      const auto document = eval::generate_one(
          job.task, job.index, {.tokens = command.tokens, .contexts = 1, .seed = kSeed}, count);
      measured = eval::measure_guard(engine, job.suite, document, recipe, table.ladder);
      records.add(key, measured);
    }
    if (!job.test && measured.right > 0)  // there is nothing to lose elsewhere
      table.records.push_back(eval::record_of(measured, table.ladder.size()));
    const std::string group = job.test ? job.suite : groups.front().name;
    if (groups.back().name != group) groups.push_back({group, {}});
    groups.back().measured.push_back(std::move(measured));
    progress.callback()(static_cast<Index>(i) + 1, std::ssize(jobs));
  }
  if (table.records.empty())
    fail(ErrorCode::bad_input,
         fmt::format("{} answers none of the questions right from its whole cache, so nothing can "
                     "be said of what compression loses; give easier --suites or a larger model",
                     engine->config().name));
  const auto file = guard_file(*engine);
  save_guard_table(table, file);
  report(command, table, groups, file.string());
}

}  // namespace pith::cli
