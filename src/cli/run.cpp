#include <memory>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "cli/answering.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/run_report.h"
#include "cli/schedule_option.h"
#include "cli/steps.h"
#include "recipe/presets.h"

namespace pith::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pith run -f handbook.txt -q "Who signs for fuel deliveries?" -q "What is the code of the boathouse?"
  pith run -f handbook.txt --questions questions.txt --kv "kvzip_plus + global + int4 @ 4x" --kv "best @ 10x"
  pith run -f handbook.txt --kv "best @ 10x" --save handbook.pith
  pith run --load handbook.pith -q "Who signs for fuel deliveries?"
  pith run -f handbook.txt -q "Where is the spare key?" --json | jq .answer
  pith run -f handbook.txt -q "Where is the spare key?" --kv auto
  pith run -f novel.txt -q "Who is the heir?" --kv "snapkv + adakv @ 1024tok" --when chunk:512
The document is read once and compressed before any question is seen; recipes that look at the question are marked.
With --kv auto (or any recipe @ auto(risk=0.1)) the guard picks the ratio for the document. With several --kv the recipe `full` (no compression) is always one of them. pith recipes lists the parts of recipes.)";

struct RunOptions {
  ModelOptions model;
  std::string document, system, questions_file, answers_file, save, load, when = "prefill";
  std::vector<std::string> questions, recipes;
  Index max_tokens = 128;
  bool no_check = false, json = false;
};

// The recipes to run, `full` first when there are several, none twice.
std::vector<recipe::Recipe> parse_recipes(const RunOptions& options) {
  std::vector<recipe::Recipe> recipes;
  const auto add = [&](const std::string& text) {
    recipe::Recipe parsed = recipe::Recipe::parse(text);
    refuse_turns(parsed);
    for (const auto& other : recipes) {
      if (other.to_string() == parsed.to_string()) return;
    }
    recipes.push_back(std::move(parsed));
  };
  if (options.recipes.size() > 1) add("full");
  for (const std::string& text : options.recipes) add(text);
  if (recipes.empty()) {
    const std::string usual = fmt::format("{} @ 4x", recipe::kDefaultRecipe);
    add(usual);
    note(fmt::format("no --kv given: compressing with `{}`", usual));
  }
  return recipes;
}

std::vector<std::string> collect_questions(const RunOptions& options) {
  std::vector<std::string> questions = options.questions;
  if (!options.questions_file.empty()) {
    for (std::string& line : read_questions(options.questions_file))
      questions.push_back(std::move(line));
  }
  return questions;
}

// One per question; empty where the line is: that question is not judged.
std::vector<std::string> collect_expected(const RunOptions& options, std::size_t questions) {
  if (options.answers_file.empty()) return {};
  auto expected = read_lines(options.answers_file);
  for (std::string& line : expected)
    if (line.find_first_not_of(" \t") == std::string::npos) line.clear();
  while (expected.size() > questions && expected.back().empty()) expected.pop_back();
  if (expected.size() != questions)
    fail(ErrorCode::bad_input,
         fmt::format("{}: {} expected answers for {} questions; one line per question was expected",
                     options.answers_file, expected.size(), questions));
  return expected;
}

// Usage errors that the parser cannot see.
void check_usage(const CLI::App& command, const RunOptions& options) {
  if (options.document.empty() == options.load.empty())
    throw CLI::ValidationError("run",
                               "give either a document (-f FILE) or a saved cache (--load FILE)");
  if (!options.load.empty() && !options.recipes.empty())
    throw CLI::ValidationError("--kv",
                               "a saved cache (--load) is already compressed; leave out --kv");
  if (!options.load.empty() && !options.save.empty())
    throw CLI::ValidationError(
        "--save", "--load and --save together would only copy the file; leave out one");
  if (!options.load.empty() && !options.system.empty())
    throw CLI::ValidationError("--system",
                               "the system text of a saved cache (--load) is already in it");
  if (!options.load.empty() && command.count("--when") > 0)
    throw CLI::ValidationError(
        "--when", "a saved cache (--load) was compressed when it was made; leave out --when");
  if (options.save == "-")
    throw CLI::ValidationError(
        "--save",
        "a cache is written beside its name and renamed when it is whole, which standard "
        "output cannot do; name a file");
  if (!options.save.empty() && options.recipes.size() > 1)
    throw CLI::ValidationError("--save", "saves one cache; give a single --kv");
  if (options.questions.empty() && options.questions_file.empty() && options.save.empty())
    throw CLI::ValidationError(
        "run", "nothing to do: ask with -q \"…\" or --questions FILE, or --save the cache");
}

// Returns what went wrong.
std::optional<Error> save(const Arm& arm, const std::string& file) {
  try {
    arm.context->save(file, arm.choice ? arm.choice->recipe.to_string() : arm.canonical);
    note(fmt::format("saved {}", file));
    return std::nullopt;
  } catch (const Error& error) {
    return error;
  }
}

void run_command(const CLI::App& command, const RunOptions& options) {
  check_usage(command, options);
  const auto recipes =
      options.load.empty() ? parse_recipes(options) : std::vector<recipe::Recipe>{};
  if (!options.save.empty() && recipes.front().sees_question())
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: it looks at the question, so there is no cache to save before one is "
                     "asked; save with a recipe that does not",
                     recipes.front().name()));
  const Schedule schedule = parse_schedule(options.when, {When::prefill, When::chunk});
  if (!options.save.empty()) check_writable(options.save);
  const auto questions = collect_questions(options);
  const auto expected = collect_expected(options, questions.size());
  const bool saved = !options.load.empty();
  const std::string text = saved ? "" : read_text(options.document);
  const auto engine = load_engine(options.model);

  // The question's surroundings do not depend on the document, so any text stands in for the one
  // inside a saved cache.
  const DocumentPrompt prompt = saved
                                    ? DocumentPrompt(*engine, "-")
                                    : make_prompt(*engine, text, options.document, options.system);
  if (!prompt.has_template())
    note(fmt::format("{} has no chat template: asking in a plain form", engine->config().name));
  std::vector<std::vector<Token>> asked;
  Index longest = 1;
  for (const std::string& question : questions) {
    asked.push_back(prompt.question(question));
    longest = std::max(longest, std::ssize(asked.back()) + 1);
  }

  Answering answering(engine);
  if (saved) {
    answering.load(options.load);
    const std::string stored = cache_format_name(answering.arms().front().context->cache());
    if (options.model.exact && stored != "f32")
      note(fmt::format("{} stays stored as it is ({}); --exact computes with it in f32",
                       options.load, stored));
  } else {
    StepProgress reading("reading"), replaying("replaying");
    answering.read(prompt, recipes,
                   {.room = longest,
                    .schedule = schedule,
                    .check = !options.no_check,
                    .reading = reading.callback(),
                    .replaying = replaying.callback()});
  }
  std::optional<Error> unsaved;  // costs no answer
  if (!options.save.empty()) unsaved = save(answering.arms().front(), options.save);

  RunReport report(answering, model_label(options.model.model), questions, expected, options.json);
  report.document(saved ? options.load : options.document);
  GenerateOptions generation;
  generation.max_tokens = options.max_tokens;
  for (Index q = 0; q < std::ssize(asked); ++q) {
    report.question(q);
    for (Index arm = 0; arm < std::ssize(answering.arms()); ++arm) {
      report.begin_answer(arm);
      IndentedText shown = report.answer_text();
      const OnText show = [&](std::string_view piece) {
        if (!options.json) shown.push(piece);
        return true;
      };
      report.answer(q, arm,
                    answering.answer(arm, asked[static_cast<std::size_t>(q)], generation, show));
    }
  }
  if (asked.empty()) report.caches();
  report.table();
  if (unsaved) throw Error(*unsaved);
}

}  // namespace

void add_run(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command =
      app.add_subcommand("run", "Answer questions about a document from its compressed cache");
  add_model_options(*command, options->model);
  command->add_option("-f,--file", options->document, "The document; - reads standard input")
      ->type_name("FILE");
  command
      ->add_option("-q,--question", options->questions, "A question (may be given several times)")
      ->allow_extra_args(false)
      ->type_name("TEXT");
  command
      ->add_option("--questions", options->questions_file,
                   "Questions, one per line; lines that begin with # are left out")
      ->type_name("FILE");
  command
      ->add_option("--answers", options->answers_file,
                   "Expected answers, one line per question (an empty one: not judged), "
                   "alternatives separated by ' | ': counts right ones")
      ->type_name("FILE");
  command
      ->add_option("--kv", options->recipes,
                   fmt::format("A recipe (may be given several times; without: {} @ 4x)",
                               recipe::kDefaultRecipe))
      ->allow_extra_args(false)
      ->type_name("RECIPE");
  add_schedule_option(*command, options->when, "prefill or chunk:N (compress after every N tokens)",
                      {When::prefill, When::chunk});
  command->add_option("--max-tokens", options->max_tokens, "Longest answer")
      ->capture_default_str()
      ->check(in_range(1, Index{1} << 20))
      ->type_name("N");
  command->add_option("--system", options->system, "System text before the document")
      ->type_name("TEXT");
  command->add_option("--save", options->save, "Write the compressed cache to a file")
      ->type_name("FILE");
  command->add_option("--load", options->load, "Answer from a saved cache instead of a document")
      ->type_name("FILE");
  command->add_flag("--no-check", options->no_check,
                    "Do not measure what of the document each cache still repeats");
  command->add_flag(
      "--json", options->json,
      "One JSON object per answer (without questions: of the saved cache), on a line of its own");
  command->footer(kExamples);
  command->callback([options, command] { run_command(*command, *options); });
}

}  // namespace pith::cli
