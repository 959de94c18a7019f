#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/error.h"
#include "cli/output.h"
#include "cli/probe.h"
#include "cli/probe_cells.h"
#include "cli/probe_facts.h"
#include "cli/steps.h"
#include "engine/calibration/calibration.h"
#include "engine/learned/encoder.h"
#include "eval/document_runner.h"
#include "eval/judge.h"
#include "eval/line_file.h"
#include "eval/predictions.h"
#include "probe/cohort.h"

namespace pith::cli {
namespace {

probe::Question question_of(const eval::Item& item) {
  probe::Question question{.text = item.question,
                           .answer = {},
                           .answer_prefix = item.answer_prefix,
                           .places = std::vector<probe::Bytes>{},
                           .max_tokens = {}};
  for (const auto& reference : item.references) {
    if (!question.answer.empty()) question.answer += " | ";
    question.answer += reference.text;
    for (const auto& span : reference.spans) question.places->push_back({span.begin, span.end});
  }
  return question;
}

probe::Judgement judge_item(const eval::Item& item, std::string_view said) {
  const eval::Verdict verdict = eval::judge(item, said);
  if (eval::is_right(item, verdict)) return probe::Judgement::right;
  return verdict.failure == eval::Failure::abstain ? probe::Judgement::abstained
                                                   : probe::Judgement::wrong;
}

// What was found before, by key, and where more of it goes. Without a folder nothing is kept.
class FactsFile {
 public:
  explicit FactsFile(const std::string& folder) {
    if (folder.empty()) return;
    const auto path = std::filesystem::path(folder) / "facts.jsonl";
    file_ = std::make_unique<eval::LineFile>(path);
    eval::for_each_whole_line(path, [&](std::string_view line) {
      KeyedFacts one = parse_facts(line);
      known_.insert_or_assign(one.key, std::move(one.facts));
    });
  }

  const probe::Facts* find(const std::string& key) const {
    const auto found = known_.find(key);
    return found == known_.end() ? nullptr : &found->second;
  }
  const probe::Facts& add(const std::string& key, const probe::Facts& facts) {
    const std::string line = facts_line(key, facts);
    if (file_) file_->add(line);
    return known_.insert_or_assign(key, parse_facts(line).facts).first->second;
  }

 private:
  std::unique_ptr<eval::LineFile> file_;
  std::map<std::string, probe::Facts> known_;
};

// Documents, several questions each or one at a time, examined or taken from the file.
class SuiteProbe {
 public:
  SuiteProbe(const ProbeOptions& options, std::shared_ptr<Engine> engine)
      : options_(options),
        examine_(examine_options(options)),
        engine_(std::move(engine)),
        file_(options.out) {
    settings_ =
        fmt::format("{}|{:x}|{}|{}|{}|{}|{}|{}", eval::kAnswersVersion, engine_->model().hash(),
                    numerics_name(*engine_), isa_name(), options.max_tokens.value_or(0),
                    options.replay, options.epsilon, options.no_graph);
    for (const auto& arm : examine_.arms)
      settings_ += fmt::format("|{}|{}|{}{}", arm.recipe.to_string(), arm.series,
                               looked_up_hash(*engine_, arm.recipe.needs()),
                               encoder_hashes(*engine_, arm.recipe.needs()));
  }

  const probe::ExamineOptions& examine_options_used() const { return examine_; }

  const probe::Facts& agnostic(const eval::Document& document) {
    return facts(document, document.items, document.text, false);
  }
  // The text ends in the question of one item.
  const probe::Facts& aware(const eval::Document& document, std::size_t item) {
    return facts(document, std::span(document.items).subspan(item, 1),
                 document.text + "\n\n" + document.items[item].question, true);
  }

 private:
  const probe::Facts& facts(const eval::Document& document, std::span<const eval::Item> items,
                            const std::string& text, bool aware) {
    std::string what = fmt::format("{}|{}|{}|{}", settings_, aware, document.id, document.system);
    what += text;
    for (const Index turn : document.turns) what += fmt::format("|{}", turn);
    for (const auto& item : items)
      what += item.question + item.answer_prefix + eval::judging_of(options_.suite, item);
    const std::string key = eval::hash_of(what);
    if (const auto* known = file_.find(key)) return *known;
    examine_.questions.clear();
    examine_.questions_alone = !aware;
    examine_.question_in_text = aware;
    for (const eval::Item& item : items) {
      examine_.questions.push_back(question_of(item));
      if (!options_.max_tokens) examine_.questions.back().max_tokens = item.max_tokens;
    }
    examine_.judge = [&](Index question, std::string_view said) {
      return judge_item(items[static_cast<std::size_t>(question)], said);
    };
    const DocumentPrompt prompt(*engine_, text, document.system, document.turns);
    probe::Facts found = probe::facts_of(probe::examine(engine_, text, prompt, examine_));
    found.task = items.front().task;
    found.document = document.id;
    for (std::size_t q = 0; q < items.size(); ++q) found.tags[q] = items[q].tags;
    return file_.add(key, found);
  }

  const ProbeOptions& options_;
  probe::ExamineOptions examine_;
  std::shared_ptr<Engine> engine_;
  FactsFile file_;
  std::string settings_;
};

}  // namespace

void probe_suite(const ProbeOptions& options) {
  const auto engine = load_engine(options.model);
  SuiteProbe suite(options, engine);
  const auto count = [&](std::string_view text) {
    return std::ssize(engine->tokenizer().encode(text));
  };
  const auto tasks = eval::tasks_of(options.suite);
  eval::check_range(options.suite, options.documents, engine->config().context_length);
  std::map<std::pair<std::string, std::string>, probe::Cohort> cohorts;  // by questions and task
  const auto add = [&](const std::string& questions, const probe::Facts& facts) {
    std::set<std::string> names = {facts.task};
    if (tasks.size() > 1) names.insert("all");
    for (const auto& name : names)
      cohorts.try_emplace({questions, name}, options.tag).first->second.add(facts);
  };
  std::optional<LateNote> waiting;
  waiting.emplace(fmt::format("examining the first of {} documents of {}",
                              options.documents.contexts * std::ssize(tasks), options.suite));
  StepProgress steps("documents");
  const auto show = steps.callback();
  const Index total = options.documents.contexts * std::ssize(tasks);
  for (Index done = 0; done < total; ++done) {  // every task once before any comes again
    if (done > 0) waiting.reset();
    show(done, total);
    const auto& task = tasks[static_cast<std::size_t>(done % std::ssize(tasks))];
    const eval::Document document =
        eval::generate_one(task, done / std::ssize(tasks), options.documents, count);
    for (const auto& questions : options.question_modes)
      if (questions == "aware")
        for (std::size_t i = 0; i < document.items.size(); ++i)
          add(questions, suite.aware(document, i));
      else
        add(questions, suite.agnostic(document));
  }
  waiting.reset();
  show(total, total);
  if (!options.json)
    print("{}: {} documents per task of about {} tokens; {} ({}, {})\n\n", options.suite,
          human_count(options.documents.contexts), human_count(options.documents.tokens),
          model_label(options.model.model), numerics_name(*engine), isa_name());
  for (auto& [name, cohort] : cohorts)
    put_cohort({.task = name.second, .questions = name.first, .tag = options.tag},
               suite.examine_options_used(), cohort, options.json);
}

}  // namespace pith::cli
