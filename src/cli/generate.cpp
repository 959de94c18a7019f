#include "engine/generate.h"

#include <memory>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/steps.h"
#include "engine/compress.h"

namespace pith::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pith generate -m smollm2-135m-instruct -p "The capital of France is" --max-tokens 16
  pith generate -f story.txt --temperature 0.8 --top-p 0.95 --seed 7
  pith generate -f story.txt --kv "streaming_llm @ 4x" --stop "THE END" --json
The prompt is continued as it is, without a chat template (pith chat and pith run use it). With --special, text such as
<|im_start|> in the prompt counts as control tokens.)";

struct GenerateCommand {
  ModelOptions model;
  SamplingOptions sampling;
  std::string prompt, file, recipe;
  Index max_tokens = 256;
  bool special = false, json = false;
};

void put_result(const Generated& generated, const CompressionReport& report, const ReadTimes& times,
                const Context& context, Index prompt_tokens, const std::string& recipe) {
  Json json;
  json["text"] = generated.text;
  json["recipe"] = recipe;
  json["n_prompt_tokens"] = prompt_tokens;
  json["n_tokens"] = generated.tokens.size();
  json["stop_reason"] = to_string(generated.reason);
  json["prefill_s"] = times.read_seconds;
  json["compress_s"] = report.seconds + times.replay_seconds;
  json["decode_tok_s"] = generated.tokens_per_second();
  json["entries"] = report.entries_after;
  json["cache_bytes"] = report.bytes_after;
  json["cache_type"] = cache_format_name(context.engine());
  json["full_bytes"] = report.full_bytes;
  json["model"] = context.engine().config().name;
  json["numerics"] = numerics_name(context.engine());
  json["isa"] = isa_name();
  put_json(json);
}

void generate_command(const GenerateCommand& command) {
  if (command.prompt.empty() == command.file.empty())
    throw CLI::ValidationError("generate",
                               "give either a prompt (-p TEXT) or a file with one (-f FILE)");
  const recipe::Recipe recipe = recipe::Recipe::parse(command.recipe);
  if (recipe.sees_question())
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: it looks at a question, and a prompt has none; take another recipe, or "
                     "pith run",
                     recipe.name()));
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
  ReadTimes times;
  const recipe::Signals signals = read_document(context, tokens, recipe.needs(), options, &times);
  const CompressionReport report = compress(context, recipe, signals);

  GenerateOptions generation;
  generation.max_tokens = command.max_tokens;
  generation.sampling = command.sampling.sampling;
  generation.stop = command.sampling.stop;
  const Generated generated = generate(context, generation, [&](std::string_view piece) {
    if (!command.json) put(piece);
    if (!command.json) flush();
    return true;
  });
  if (command.json) {
    put_result(generated, report, times, context, std::ssize(tokens), recipe.name());
  } else {
    put("\n");
  }
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
  command->add_option("--max-tokens", options->max_tokens, "Tokens to generate at most")
      ->capture_default_str()
      ->check(in_range(1, Index{1} << 20))
      ->type_name("N");
  add_sampling_options(*command, options->sampling);
  command->add_flag("--special", options->special, "Recognise control tokens in the prompt");
  command->add_flag("--json", options->json, "One JSON object");
  command->footer(kExamples);
  command->callback([options] { generate_command(*options); });
}

}  // namespace pith::cli
