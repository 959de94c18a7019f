#include <charconv>
#include <limits>
#include <map>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "cli/answering.h"
#include "cli/commands.h"
#include "cli/probe.h"
#include "cli/probe_json.h"
#include "cli/probe_page.h"
#include "cli/probe_text.h"
#include "cli/run_report.h"
#include "cli/steps.h"
#include "engine/compress.h"
#include "eval/judge.h"
#include "eval/judge_text.h"
#include "recipe/grammar.h"

namespace pith::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pith probe -f handbook.txt --kv "kvzip_plus + global" --kv "snapkv + adakv" --grid 0,0.5,0.75,0.9
  pith probe -f handbook.txt -q "Who signs for fuel deliveries?" --answer "Berit Aas" --kv "expected_attention + adakv" --html probe.html
  pith probe -f handbook.txt -q "What is the code of the boathouse?" --kv "summary_route" --json | jq .eviction_rate
  pith probe --suite physics_base --tokens 400 --contexts 10 --kv "expected_attention + adakv" --grid 0,0.5,0.8,0.9,0.95
A recipe without a budget is carried out at every ratio of the grid (fractions removed); one with a budget, or one that sizes itself,
is taken as it is. Everything is computed in f32, but for --fast. docs/diagnostics.md says what each figure means.)";

void check_usage(const ProbeOptions& options) {
  if (options.document.empty() == options.suite.empty())
    throw CLI::ValidationError("probe",
                               "give either a document (-f FILE) or a suite (--suite NAME)");
  if (!options.suite.empty() && !options.questions.empty())
    throw CLI::ValidationError("-q", "a suite (--suite) brings its own questions");
  if (!options.suite.empty() && (!options.html.empty() || options.layers))
    throw CLI::ValidationError("--html", "pictures and layers are of one document (-f FILE)");
  if (options.recipes.empty())
    throw CLI::ValidationError("--kv", "which recipe? pith recipes lists their parts");
  if (!options.answers.empty() && options.answers.size() != options.questions.size())
    throw CLI::ValidationError("--answer",
                               fmt::format("{} for {} questions; give one after each -q",
                                           options.answers.size(), options.questions.size()));
  for (std::size_t i = 0; i < options.grid.size(); ++i) {
    const double ratio = options.grid[i];
    if (!(ratio >= 0 && ratio < 1) || (i > 0 && ratio <= options.grid[i - 1]))
      throw CLI::ValidationError(
          "--grid",
          "fractions removed were expected, ascending, from 0 to below 1: 0,0.5,0.75,0.9");
  }
}

// What is wrong with one word of --grid that is no number, or "".
std::string not_a_fraction(std::string& word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error == std::errc() && end == word.data() + word.size()) return "";
  return fmt::format(
      "\"{}\" is no fraction; fractions removed were expected, such as 0.5,0.75 (other budgets "
      "stand "
      "in the recipe: --kv \"snapkv @ 4x\")",
      word);
}

// Whether a recipe has a budget, or does without one. What is wrong with it otherwise is said when
// it is read with a ratio.
bool stands_alone(const std::string& text) {
  if (recipe::names_budget(text)) return true;
  try {
    recipe::Recipe::parse(text);
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool full_is_named(const probe::ExamineOptions& options) {
  return std::any_of(options.series.begin(), options.series.end(), recipe::is_full_name);
}

void add_series(const std::string& text, const std::vector<double>& grid,
                probe::ExamineOptions& options) {
  const Index series = std::ssize(options.series);
  if (recipe::is_full_name(text) && full_is_named(options)) return;
  options.series.push_back(text);
  if (recipe::is_full_name(text)) return;  // every series begins with it
  if (stands_alone(text)) {
    options.arms.push_back(
        {series, std::numeric_limits<double>::quiet_NaN(), recipe::Recipe::parse(text)});
    return;
  }
  for (double ratio : grid)
    options.arms.push_back(
        {series, ratio, recipe::Recipe::parse(fmt::format("{} @ {}", text, ratio))});
}

probe::Judgement judge(std::string_view text, std::string_view expected) {
  if (expected.empty()) return probe::Judgement::unjudged;
  const std::string_view answer = eval::cut_answer(text, eval::Cut::turn);
  if (is_right(answer, expected)) return probe::Judgement::right;
  return eval::abstains(answer) ? probe::Judgement::abstained : probe::Judgement::wrong;
}

void put_report(const ProbeOptions& options, const Engine& engine, const probe::Report& report) {
  if (options.json) {
    Json document = document_json(report);
    document["model"] = model_label(options.model.model);
    document["model_name"] = engine.config().name;
    document["numerics"] = numerics_name(engine);
    document["isa"] = isa_name();
    put_json(document);
    for (const auto& arm : report.arms) put_json(arm_json(report, arm));
    for (const auto& series : report.series) put_json(series_json(series));
    return;
  }
  print("{}: {} tokens, {} before them; {} ({}, {})\n", options.document,
        human_count(report.tokens - report.prefix), human_count(report.prefix),
        model_label(options.model.model), numerics_name(engine), isa_name());
  put_probe(report, options.layers);
}

}  // namespace

probe::ExamineOptions examine_options(const ProbeOptions& options) {
  probe::ExamineOptions examine;
  for (const std::string& text : options.recipes) add_series(text, options.grid, examine);
  for (const auto& arm : examine.arms) {
    refuse_routing_again(arm.recipe);
    if (arm.recipe.risk())
      fail(ErrorCode::bad_recipe,
           fmt::format("{}: \"@ auto\" chooses a ratio for each document, and a probe shows what "
                       "happens at given ones; give a budget such as \"@ 4x\", or none, for the "
                       "ratios of --grid",
                       arm.recipe.name()));
  }
  if (options.max_tokens) examine.max_tokens = *options.max_tokens;
  examine.replay_tokens = options.replay;
  examine.epsilon = options.epsilon;
  examine.graphs = !options.no_graph;
  return examine;
}

void probe_document(const ProbeOptions& options) {
  probe::ExamineOptions examine = examine_options(options);
  for (const auto& arm : examine.arms) refuse_turns(arm.recipe);
  for (const auto& arm : examine.arms)
    if (arm.recipe.sees_question() && options.questions.empty())
      fail(ErrorCode::bad_recipe,
           fmt::format("{}: it looks at the question; ask one with -q", arm.recipe.name()));
  if (!options.html.empty()) check_writable(options.html);
  for (std::size_t q = 0; q < options.questions.size(); ++q)
    examine.questions.push_back({.text = options.questions[q],
                                 .answer = options.answers.empty() ? "" : options.answers[q],
                                 .answer_prefix = {},
                                 .places = {}});
  examine.judge = [&](Index question, std::string_view said) {
    if (options.answers.empty()) return probe::Judgement::unjudged;
    return judge(said, options.answers[static_cast<std::size_t>(question)]);
  };
  std::map<std::string, StepProgress, std::less<>> steps;
  std::optional<LateNote> waiting;
  examine.progress = [&](std::string_view name, Index done, Index total) {
    if (done < total) waiting.reset();  // the step shows itself from now on
    const auto at = steps.try_emplace(std::string(name), std::string(name)).first;
    at->second.callback()(done, total);
  };

  const std::string text = read_text(options.document);
  const auto engine = load_engine(options.model);
  const DocumentPrompt prompt = make_prompt(*engine, text, options.document, options.system);
  for (const std::string& question : options.questions) prompt.question(question);  // throws early
  waiting.emplace(fmt::format("reading {} and watching every head ({})", options.document,
                              numerics_name(*engine)));
  const probe::Report report = probe::examine(engine, text, prompt, examine);
  waiting.reset();

  for (const auto& question : report.questions)
    if (!question.answer.empty() && question.places.empty())
      note(fmt::format("the document does not state \"{}\": it has no GER and no routes",
                       one_line(question.answer)));
  put_report(options, *engine, report);
  flush();
  if (options.html.empty()) return;
  FileWriter writer(options.html);
  writer.write(probe_page(report, {.document = options.document,
                                   .model = engine->config().name,
                                   .numerics = numerics_name(*engine)}));
  writer.commit();
  note(fmt::format("wrote {}", options.html));
}

void add_probe(CLI::App& app) {
  auto options = std::make_shared<ProbeOptions>();
  CLI::App* sub =
      app.add_subcommand("probe", "Show what a recipe takes away, and why answers fail");
  add_model_name(*sub, options->model.model);
  sub->add_option("-f,--file", options->document, "The document; - reads standard input")
      ->type_name("FILE");
  sub->add_option("-q,--question", options->questions, "A question (repeat for more)")
      ->allow_extra_args(false)
      ->type_name("TEXT");
  sub->add_option("--answer", options->answers,
                  "Its right answer, one per question; alternatives are separated by \" | \"")
      ->allow_extra_args(false)
      ->type_name("TEXT");
  sub->add_option("--kv", options->recipes, "A recipe (repeat for more); pith recipes lists parts")
      ->allow_extra_args(false)
      ->type_name("RECIPE");
  sub->add_option("--grid", options->grid, "Fractions removed, for recipes without a budget")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::Validator(not_a_fraction, ""))
      ->type_name("A,B,…");
  sub->add_option("--suite", options->suite,
                  "Documents and questions of a suite instead; see pith eval --list")
      ->type_name("NAME");
  sub->add_option("--tokens", options->documents.tokens, "Tokens of a suite's document")
      ->capture_default_str()
      ->check(in_range(64, Index{1} << 24))
      ->type_name("N");
  sub->add_option("--contexts", options->documents.contexts, "Documents per task of a suite")
      ->capture_default_str()
      ->check(in_range(1, 100000))
      ->type_name("N");
  sub->add_option("--seed", options->documents.seed, "Of a suite's documents")
      ->check(seed_number())
      ->type_name("N");
  sub->add_option("--tag", options->tag,
                  "What probing classifiers must tell of a suite's questions from hidden states")
      ->capture_default_str()
      ->type_name("TAG");
  sub->add_option("--questions", options->question_modes,
                  "Of a suite: agnostic compresses before a question is known, aware compresses "
                  "the text with each question behind it")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::IsMember({"agnostic", "aware"}))
      ->type_name("A,B");
  sub->add_option(
         "--out", options->out,
         "A folder that keeps what was found of a suite's documents: the same command goes "
         "on from there")
      ->type_name("DIR");
  sub->add_option("--max-tokens", options->max_tokens,
                  "Of an answer (default 32; of a suite as many as its question allows)")
      ->check(in_range(1, 4096))
      ->type_name("N");
  sub->add_option("--replay", options->replay,
                  "Tokens of the document that the model repeats, to compare; 0: none")
      ->capture_default_str()
      ->check(in_range(0, 4096))
      ->type_name("N");
  sub->add_option("--epsilon", options->epsilon,
                  "Attention weight above which a token counts as read (default 1 / (2 tokens))")
      ->check(between(0, 1))
      ->type_name("E");
  sub->add_flag("--no-graph", options->no_graph,
                "Leave out reachability: its memory grows with the square of the document");
  sub->add_flag("--layers", options->layers, "Print the figures of every layer, too");
  sub->add_option("--system", options->system, "The system text")->type_name("TEXT");
  sub->add_option("--html", options->html, "Write the pictures as one page")->type_name("FILE");
  sub->add_option("--threads", options->model.threads,
                  "Threads to compute with; 0 takes one per core")
      ->check(in_range(0, 1024))
      ->type_name("N");
  sub->add_flag("--fast", options->fast, "Compute as pith run does, not in f32");
  sub->add_flag("--json", options->json,
                "One object for the document, one per cache, one per recipe");
  sub->footer(kExamples);
  sub->callback([options] {
    check_usage(*options);
    options->model.exact = !options->fast;
    options->suite.empty() ? probe_document(*options) : probe_suite(*options);
  });
}

}  // namespace pith::cli
