#include <memory>

#include "base/error.h"
#include "base/rng.h"
#include "base/stopwatch.h"
#include "cache/peak.h"
#include "cli/bench_report.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/schedule_option.h"
#include "cli/steps.h"
#include "engine/compress.h"
#include "engine/generate.h"
#include "engine/keeper.h"
#include "engine/learned/turn_entries.h"
#include "engine/reading.h"

namespace pith::cli {
namespace {

constexpr Index kMostTokens = Index{1} << 24;
constexpr const char* kExamples = R"(Examples:
  pith bench -m smollm2-135m-instruct --prompt 512 --generate 64
  pith bench --prompt 512 --generate 64 --depth 4096 --json
  pith bench --prompt 0 --generate 128 --depth 16384 --kv "streaming_llm @ 10x"
  pith bench --generate 0 --gradient 64 --depth 1000
--depth is the number of tokens in the cache before the timed prefill and before the timed decoding, each of which starts from
there; --kv compresses those tokens first. Speeds are medians over the repetitions; the best run stands beside.)";

struct BenchCommand {
  ModelOptions model;
  Index prompt = 512, generate = 64, gradient = 0, depth = 0, repeat = 3;
  std::string recipe, when = "prefill";
  bool no_ceilings = false, json = false;
};

// Ordinary tokens in a random order: the work of a forward pass does not depend on which they are.
std::vector<Token> random_tokens(const Tokenizer& tokenizer, Index count) {
  Rng rng(1);
  std::vector<Token> tokens;
  while (std::ssize(tokens) < count) {
    const auto token = static_cast<Token>(rng.below(tokenizer.vocabulary_size()));
    if (!tokenizer.is_control(token)) tokens.push_back(token);
  }
  return tokens;
}

// Usage errors that the parser cannot see.
void check_usage(const BenchCommand& command) {
  if (!command.recipe.empty() && command.depth == 0)
    throw CLI::ValidationError("--kv", "compresses the tokens of --depth; give --depth as well");
  if (command.prompt == 0 && command.generate == 0 && command.gradient == 0)
    throw CLI::ValidationError("bench",
                               "nothing to measure: --prompt, --generate and --gradient are all 0");
}

void check_range(const BenchCommand& command, const Engine& engine) {
  const Index needed =
      command.depth + std::max({command.prompt, command.generate + 1, command.gradient});
  if (needed > engine.config().context_length)
    fail(ErrorCode::bad_input,
         fmt::format("depth and prompt or generated tokens make {}, but {} reads at most {}",
                     needed, engine.config().name, engine.config().context_length));
}

// The context that every timed step starts from.
Context read_depth(const BenchCommand& command, const recipe::Recipe& recipe,
                   std::shared_ptr<Engine> engine, BenchResult& result) {
  Context context(std::move(engine));
  if (command.depth == 0) return context;
  StepProgress reading("reading the depth"), replaying("replaying");
  ReadOptions options;
  options.progress = reading.callback();
  options.replay_progress = replaying.callback();
  const auto tokens = random_tokens(context.engine().tokenizer(), command.depth);
  const Schedule schedule = parse_schedule(command.when, {When::prefill, When::chunk});
  KeptReading kept;
  if (schedule.when == When::chunk) {
    kept = read_in_chunks(context, tokens, recipe, schedule.value, options);
  } else {
    const auto signals = read_document(context, tokens, recipe.needs(), options, &kept.times);
    kept.report = compress(context, recipe, signals);
  }
  result.depth_read_seconds = kept.times.read_seconds;
  result.replay_seconds = kept.times.replay_seconds;
  result.compress_seconds = kept.report.seconds;
  return context;
}

double time_prefill(const Context& base, std::span<const Token> tokens) {
  Context context = base.fork();
  const Stopwatch watch;
  context.read(tokens);
  return static_cast<double>(tokens.size()) / watch.seconds();
}

// One step more than asked for: the first token comes from logits that are there already.
double time_decode(const Context& base, Token first, Index count) {
  Context context = base.fork();
  context.read(std::span(&first, 1));
  GenerateOptions options;
  options.max_tokens = count + 1;
  options.ignore_end = true;
  return generate(context, options).tokens_per_second();
}

// Rows per second of optimisation steps over embeddings, as virtual tokens take them: forward, and
// backward from a loss on the values of all layers.
double time_gradient(GradientPass& pass, const Context& base, Index rows) {
  const ModelConfig& config = base.engine().config();
  Rng rng(2);
  std::vector<float> embeddings(static_cast<std::size_t>(rows * config.width));
  for (float& x : embeddings) x = static_cast<float>(0.02 * rng.normal());
  std::vector<Index> positions;
  for (Index r = 0; r < rows; ++r) positions.push_back(base.next_position() + r);
  const Stopwatch watch;
  pass.forward(embeddings, positions);
  RowEntries loss;
  loss.values = pass.entries().values;
  pass.backward(loss, {});
  return static_cast<double>(rows) / watch.seconds();
}

void bench_command(const BenchCommand& command) {
  check_usage(command);
  const recipe::Recipe recipe =
      recipe::Recipe::parse(command.recipe.empty() ? "full" : command.recipe);
  if (recipe.sees_question())
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: it looks at a question, and a benchmark has none; take another recipe",
                     recipe.name()));
  parse_schedule(command.when, {When::prefill, When::chunk});  // refused before the model is read
  const auto engine = load_engine(command.model);
  check_range(command, *engine);
  BenchResult result{
      .prompt = command.prompt,
      .generate = command.generate,
      .gradient_rows = command.gradient,
      .depth = command.depth,
      .model = model_label(command.model.model),
      .recipe = recipe.name() + (command.when == "prefill" ? "" : " during " + command.when)};
  const Context base = read_depth(command, recipe, engine, result);
  result.entries = base.cache().entries();
  result.lanes = base.cache().shape().lanes();
  result.cache_bytes = base.cache().bytes().total();
  result.full_bytes = base.cache().full_bytes();
  result.stored_as = cache_format_name(base.cache());
  result.peak_bytes = cache::peak_bytes(base.cache());

  const auto tokens = random_tokens(engine->tokenizer(), std::max<Index>(command.prompt, 1));
  const TurnEntries entries = read_turn(base.cache(), 0);
  GradientPass pass(engine->model(), entries.past, engine->config().layer_count(), false,
                    engine->options().numerics, engine->pool());
  for (Index run = 0; run <= command.repeat; ++run) {  // the first one warms up and is not counted
    const double prefill = command.prompt > 0 ? time_prefill(base, tokens) : 0;
    const double decode =
        command.generate > 0 ? time_decode(base, tokens.front(), command.generate) : 0;
    const double gradient = command.gradient > 0 ? time_gradient(pass, base, command.gradient) : 0;
    if (run == 0) continue;
    if (prefill > 0) result.prefill.runs.push_back(prefill);
    if (decode > 0) result.decode.runs.push_back(decode);
    if (gradient > 0) result.gradient.runs.push_back(gradient);
  }
  put_bench(result, *engine, !command.no_ceilings, command.json);
}

}  // namespace

void add_bench(CLI::App& app) {
  auto options = std::make_shared<BenchCommand>();
  CLI::App* command =
      app.add_subcommand("bench", "Measure speed, beside what the machine could do at best");
  add_model_options(*command, options->model);
  const auto add_count = [&](const char* name, Index& value, const char* help) {
    command->add_option(name, value, help)
        ->capture_default_str()
        ->check(in_range(0, kMostTokens))
        ->type_name("N");
  };
  add_count("--prompt", options->prompt, "Tokens of the timed prefill; 0 leaves it out");
  add_count("--generate", options->generate, "Tokens of the timed decoding; 0 leaves it out");
  add_count("--gradient", options->gradient,
            "Rows of timed optimisation steps (forward and backward), as virtual(...) takes them");
  add_count("--depth", options->depth, "Tokens in the cache before either begins");
  command->add_option("--kv", options->recipe, "Compress the cache of --depth first")
      ->type_name("RECIPE");
  add_schedule_option(*command, options->when, "prefill or chunk:N, for --kv",
                      {When::prefill, When::chunk});
  command->add_option("--repeat", options->repeat, "Repetitions")
      ->capture_default_str()
      ->check(in_range(1, 1000))
      ->type_name("N");
  command->add_flag("--no-ceilings", options->no_ceilings,
                    "Do not measure the machine's own limits");
  command->add_flag("--json", options->json, "One JSON object");
  command->footer(kExamples);
  command->callback([options] { bench_command(*options); });
}

}  // namespace pith::cli
