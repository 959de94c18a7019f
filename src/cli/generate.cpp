#include "engine/generate.h"

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "cache/peak.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/schedule_option.h"
#include "cli/steps.h"
#include "engine/compress.h"
#include "engine/keeper.h"
#include "engine/reading.h"
#include "engine/write.h"

namespace pith::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pith generate -m smollm2-135m-instruct -p "The capital of France is" --max-tokens 16
  pith generate -f story.txt --temperature 0.8 --top-p 0.95 --seed 7
  pith generate -f story.txt --kv "streaming_llm @ 4x" --stop "THE END" --json
  pith generate -f story.txt --kv "snapkv + adakv @ 256tok" --when every:128 --max-tokens 2048
The prompt is continued as it is, without a chat template (pith chat and pith run use it). With --special, text such as
<|im_start|> in the prompt counts as control tokens.)";

struct GenerateCommand {
  ModelOptions model;
  SamplingOptions sampling;
  std::string prompt, file, recipe, when = "prefill";
  Index max_tokens = 256;
  bool special = false, json = false;
};

struct Result {
  Generated generated;
  CompressionReport report;
  ReadTimes times;
  Index compressions = 0, peak_bytes = 0;  // of the cache, with forks for replays
  std::string waits;                       // why the recipe did not run when it last was to
};

// The prompt is read and compressed, then the text is written.
Result write_after_prefill(Context& context, std::span<const Token> tokens,
                           const recipe::Recipe& recipe, const ReadOptions& reading,
                           const GenerateOptions& generation, const OnText& on_text) {
  Result result;
  const recipe::Signals signals =
      read_document(context, tokens, recipe.needs(), reading, &result.times);
  result.report = compress(context, recipe, signals);
  result.compressions = recipe.is_full() ? 0 : 1;
  result.generated = generate(context, generation, on_text);
  return result;
}

// The recipe runs while the prompt is read (chunk) or the text is written (every, over).
Result write_kept(Context& context, std::span<const Token> tokens, const recipe::Recipe& recipe,
                  const Schedule& schedule, const ReadOptions& reading,
                  const GenerateOptions& generation, const OnText& on_text) {
  Keeper keeper(context, recipe, reading);
  std::string waits;  // for what the recipe does
  const auto compress_if_over = [&] {
    if (context.cache().bytes().total() > schedule.value) waits = keeper.compress_or_wait();
  };
  if (schedule.when == When::chunk)
    keeper.read(tokens, schedule.value);
  else
    keeper.append(tokens);
  if (schedule.when == When::over) compress_if_over();
  Index written = 0;
  const auto read = [&](Token token) {
    keeper.append(std::span(&token, 1));
    if (schedule.when == When::over) compress_if_over();
    if (schedule.when == When::every && ++written % schedule.value == 0)
      waits = keeper.compress_or_wait();
  };
  Result result;
  result.generated = write(context, generation, on_text, read);
  result.report = keeper.report();
  result.times = keeper.times();
  result.compressions = keeper.compressions();
  result.waits = std::move(waits);
  return result;
}

void put_result(const Result& result, const Context& context, const std::string& model,
                Index prompt_tokens, const std::string& recipe, const Schedule& schedule) {
  const Generated& generated = result.generated;
  const CompressionReport& report = result.report;
  const cache::Cache& cache = context.cache();
  Json json;
  json["text"] = generated.text;
  json["recipe"] = recipe;
  json["when"] = to_string(schedule);
  json["compressions"] = result.compressions;
  json["n_prompt_tokens"] = prompt_tokens;
  json["n_tokens"] = generated.tokens.size();
  json["stop_reason"] = to_string(generated.reason);
  json["prefill_s"] = result.times.read_seconds;
  json["compress_s"] = report.seconds + result.times.replay_seconds;
  json["decode_tok_s"] = generated.tokens_per_second();
  json["entries"] = result.compressions > 0 ? report.entries_after : cache.entries();
  json["cache_bytes"] = result.compressions > 0 ? report.bytes_after : cache.bytes().total();
  json["end_bytes"] = cache.bytes().total();
  // The pool counts tiles; a cache also has tables, which are all there is to know of its others.
  json["peak_bytes"] = std::max(
      {cache::peak_bytes(cache), report.bytes_before, report.bytes_after, cache.bytes().total()});
  json["cache_type"] = cache_format_name(context.cache());
  json["full_bytes"] = result.compressions > 0 ? report.full_bytes : cache.full_bytes();
  json["model"] = model;
  json["model_name"] = context.engine().config().name;
  json["numerics"] = numerics_name(context.engine());
  json["isa"] = isa_name();
  put_json(json);
}

void generate_command(const CLI::App& app, const GenerateCommand& command) {
  check_sampling(app, command.sampling);
  if (app.count("--prompt") > 0 && command.prompt.empty())
    throw CLI::ValidationError("-p", "the prompt is empty; give some text to continue");
  if (command.prompt.empty() == command.file.empty())
    throw CLI::ValidationError("generate",
                               "give either a prompt (-p TEXT) or a file with one (-f FILE)");
  const recipe::Recipe recipe = recipe::Recipe::parse(command.recipe);
  refuse_turns(recipe);
  if (recipe.sees_question())
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: it looks at a question, and a prompt has none; take another recipe, or "
                     "pith run",
                     recipe.name()));
  const Schedule schedule =
      parse_schedule(command.when, {When::prefill, When::chunk, When::every, When::over});
  if (recipe.is_full() && schedule.when != When::prefill)
    throw CLI::ValidationError("--when",
                               "`full` compresses nothing at any time; give a recipe with --kv");
  const std::string text = command.file.empty() ? command.prompt : read_text(command.file);
  const auto engine = load_engine(command.model);
  const auto tokens =
      engine->tokenizer().encode(text, {.parse_special = command.special, .add_special = true});
  if (tokens.empty()) fail(ErrorCode::bad_input, "the prompt is empty; give some text to continue");

  Context context(engine);
  StepProgress reading("reading"), replaying("replaying");
  ReadOptions options;
  options.progress = reading.callback();
  options.replay_progress = replaying.callback();

  GenerateOptions generation;
  generation.max_tokens = command.max_tokens;
  generation.sampling = command.sampling.sampling;
  generation.stop = command.sampling.stop;
  const OnText show = [&](std::string_view piece) {
    if (!command.json) put(piece);
    if (!command.json) flush();
    return true;
  };
  const Result result =
      schedule.when == When::prefill
          ? write_after_prefill(context, tokens, recipe, options, generation, show)
          : write_kept(context, tokens, recipe, schedule, options, generation, show);
  if (command.json) {
    put_result(result, context, model_label(command.model.model), std::ssize(tokens), recipe.name(),
               schedule);
  } else {
    put("\n");
  }
  if (!result.waits.empty())
    note(fmt::format("the text ended before the budget could be met: {}", result.waits));
}

}  // namespace

void add_generate(CLI::App& app) {
  auto options = std::make_shared<GenerateCommand>();
  options->recipe = "full";
  CLI::App* command = app.add_subcommand("generate", "Continue a text");
  add_model_options(*command, options->model);
  command->add_option("-p,--prompt", options->prompt, "The text to continue")->type_name("TEXT");
  command->add_option("-f,--file", options->file, "A file with the text; - reads standard input")
      ->type_name("FILE");
  command->add_option("--kv", options->recipe, "Compress the prompt's cache first")
      ->capture_default_str()
      ->type_name("RECIPE");
  add_schedule_option(*command, options->when,
                      "prefill, chunk:N while reading, every:N while writing, over:SIZE",
                      {When::prefill, When::chunk, When::every, When::over});
  command->add_option("--max-tokens", options->max_tokens, "Tokens to generate at most")
      ->capture_default_str()
      ->check(in_range(1, Index{1} << 20))
      ->type_name("N");
  add_sampling_options(*command, options->sampling);
  command->add_flag("--special", options->special, "Recognise control tokens in the prompt");
  command->add_flag("--json", options->json, "One JSON object");
  command->footer(kExamples);
  command->callback([options, command] { generate_command(*command, *options); });
}

}  // namespace pith::cli
