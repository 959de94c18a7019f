#include <memory>

#include "base/error.h"
#include "cli/calibrate_encoder.h"
#include "cli/calibrate_guard.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/steps.h"
#include "engine/calibration/budgets.h"
#include "engine/calibration/calibrate.h"
#include "eval/suite.h"
#include "recipe/presets.h"

namespace pith::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pith calibrate -m qwen2.5-coder-0.5b-instruct
  pith calibrate -m smollm2-135m-instruct --documents 12 --tokens 600
  pith calibrate --what guard --kv "kvzip_plus + global" --tests strings,needle_two_hops
  pith calibrate --what encoder -m smollm2-135m-instruct --texts notes --steps 3000 --out smollm2.safetensors
Recipes with curves, csa, qfilters or kvzap look up what this command measures, once per model. It reads and replays generated
documents, and saves beside the model. One document of five is held out, to say how well kvzap predicts what a replay would find.
The guard of `@ auto` takes --what guard: it asks questions about generated documents at every ratio, which takes about a minute per
document of 1000 tokens on two cores, once per model and recipe; --tests says what it then does on suites that it was not calibrated on.
--what encoder trains a network that gives the virtual tokens of virtual(encoder=FILE) in one pass instead of hundreds of steps: an hour or
more on a small model. A training that was killed goes on from OUT.training when the same command is given again.)";

struct CalibrateCommand {
  ModelOptions model;
  std::string what = "parts";
  Index documents = 0, tokens = 1000;  // 0: the usual number
  bool json = false;
  GuardCalibration guard;
  EncoderCalibration encoder;
};

constexpr Index kDocuments = 32;
constexpr Index kHeldOut = 5;          // every fifth document
constexpr std::uint64_t kSeed = 7001;  // not those of evaluations, which count from 1

// Documents of several kinds, none of them those that recipes are most often measured on, turn by
// turn, so that no kind of text decides alone.
std::vector<std::string> make_texts(const CalibrateCommand& command, const Engine& engine) {
  const eval::TokenCounter count = [&](std::string_view text) {
    return std::ssize(engine.tokenizer().encode(text));
  };
  std::vector<std::vector<eval::Document>> kinds;
  constexpr std::string_view kSuites[] = {"strings", "instructions", "physics"};
  const Index each = ceil_div(command.documents, std::ssize(kSuites));
  for (const auto suite : kSuites)
    kinds.push_back(
        eval::generate(suite, {.tokens = command.tokens, .contexts = each, .seed = kSeed}, count));
  std::vector<std::string> texts;
  for (Index i = 0; std::ssize(texts) < command.documents; ++i)
    for (const auto& documents : kinds)
      if (std::ssize(texts) < command.documents)
        texts.push_back(documents[static_cast<std::size_t>(i % std::ssize(documents))].text);
  return texts;
}

void guard_command(const CalibrateCommand& command) {
  GuardCalibration guard = command.guard;
  guard.model = command.model;
  guard.tokens = command.tokens;
  guard.json = command.json;
  if (command.documents > 0) guard.documents = command.documents;
  calibrate_guard(guard);
}

void encoder_command(const CalibrateCommand& command) {
  EncoderCalibration encoder = command.encoder;
  encoder.model = command.model;
  encoder.tokens = command.tokens;
  encoder.json = command.json;
  encoder.training.shape.ff = 4 * encoder.training.shape.width;
  if (command.documents > 0) encoder.documents = command.documents;
  calibrate_encoder(encoder);
}

// The options that only one thing to calibrate has: name and whether it was given.
void refuse_strangers(const CLI::App& command, std::string_view what) {
  constexpr std::pair<std::string_view, const char*> kOwners[] = {
      {"guard", "--kv"},       {"guard", "--suites"},
      {"guard", "--tests"},    {"guard", "--tests-documents"},
      {"guard", "--records"},  {"encoder", "--out"},
      {"encoder", "--texts"},  {"encoder", "--steps"},
      {"encoder", "--ratio"},  {"encoder", "--rate"},
      {"encoder", "--distil"}, {"encoder", "--turn"},
      {"encoder", "--seed"},   {"encoder", "--width"},
      {"encoder", "--layers"}};
  for (const auto& [owner, option] : kOwners)
    if (owner != what && command.get_option(option)->count() > 0)
      throw CLI::ValidationError(option, fmt::format("is for --what {}", owner));
  if (what == "encoder" && command.get_option("--out")->count() == 0)
    throw CLI::ValidationError("--out", "--what encoder needs a file to write to");
}

// Options of one thing to calibrate stand under a heading of their own in the help.
constexpr const char* kGuardGroup = "With --what guard";
constexpr const char* kEncoderGroup = "With --what encoder";

void add_guard_options(CLI::App& command, GuardCalibration& guard) {
  const auto add = [&](CLI::Option* option) { return option->group(kGuardGroup); };
  add(command.add_option("--kv", guard.recipe, "The recipe, without its budget"))
      ->type_name("RECIPE")
      ->default_str(std::string(recipe::kDefaultRecipe));
  guard.suites = {"needle_multi", "kv", "physics"};
  add(command.add_option("--suites", guard.suites, "Suites or tasks to calibrate on"))
      ->delimiter(',')
      ->type_name("NAME")
      ->capture_default_str();
  add(command.add_option("--tests", guard.tests, "Suites or tasks to try it on, not calibrated on"))
      ->delimiter(',')
      ->type_name("NAME");
  add(command.add_option("--tests-documents", guard.tests_documents, "Documents of each of them"))
      ->check(in_range(2, 10000))
      ->capture_default_str();
  add(command.add_option("--records", guard.records,
                         "Keep each document's measurement in this file, and go on from it"))
      ->type_name("FILE");
}

void add_encoder_options(CLI::App& command, EncoderCalibration& encoder) {
  EncoderTraining& training = encoder.training;
  const auto add = [&](CLI::Option* option) { return option->group(kEncoderGroup); };
  add(command.add_option("--out", encoder.out, "The file to write"))->type_name("FILE");
  add(command.add_option("--texts", encoder.texts, "A folder of text to learn from, too"))
      ->type_name("DIR");
  add(command.add_option("--steps", training.steps, "Steps of training, one turn each"))
      ->check(in_range(1, 10'000'000))
      ->capture_default_str();
  add(command.add_option("--ratio", training.ratio, "Tokens per virtual token"))
      ->check(between(1, 1000))
      ->capture_default_str();
  add(command.add_option("--rate", training.rate, "Learning rate of Adam"))
      ->check(between(0, 1))
      ->capture_default_str();
  add(command.add_option("--distil", training.distil,
                         "Learn what N steps for every 250 tokens find, instead of their loss"))
      ->type_name("N")
      ->check(in_range(1, 1 << 20));
  add(command.add_option("--turn", training.turn, "Tokens of a turn, at most"))
      ->check(in_range(1, 65536))
      ->capture_default_str();
  add(command.add_option("--seed", training.seed, "Of first weights and order of texts"))
      ->check(seed_number())
      ->capture_default_str();
  add(command.add_option("--width", training.shape.width, "Width of its layers, a multiple of 4"))
      ->check(in_range(4, 4096))
      ->capture_default_str();
  add(command.add_option("--layers", training.shape.layers, "Layers"))
      ->check(in_range(1, 64))
      ->capture_default_str();
}

void parts_command(CalibrateCommand command) {
  if (command.documents == 0) command.documents = kDocuments;
  const auto engine = load_engine(command.model);
  const auto& path = engine->options().calibration;
  const std::vector<std::string> texts = make_texts(command, *engine);
  Calibrator calibrator(engine);
  BudgetMeter budgets(engine);
  std::vector<DocumentPrompt> held_out;
  StepProgress reading("reading and replaying documents");
  for (std::size_t i = 0; i < texts.size(); ++i) {
    DocumentPrompt document(*engine, texts[i]);
    if (static_cast<Index>(i) % kHeldOut == kHeldOut - 1) {
      held_out.push_back(std::move(document));
    } else {
      calibrator.add(document);
      budgets.add(document);
    }
    reading.callback()(static_cast<Index>(i) + 1, std::ssize(texts));
  }
  Calibration calibration = calibrator.finish();
  budgets.write(calibration);
  calibration.save(path);
  KvzapQuality quality;
  for (const DocumentPrompt& document : held_out) {
    const KvzapQuality one = measure_kvzap(engine, document);
    quality.overall += one.overall / static_cast<double>(held_out.size());
    quality.within_layers += one.within_layers / static_cast<double>(held_out.size());
  }
  if (command.json) {
    put_json({{"model", model_label(command.model.model)},
              {"file", path.string()},
              {"arrays", calibration.arrays.size()},
              {"tokens", calibrator.tokens()},
              {"held_out_documents", held_out.size()},
              {"kvzap_correlation", quality.overall},
              {"kvzap_correlation_within_layers", quality.within_layers}});
    return;
  }
  print("{} arrays from {} tokens saved in {}\n", calibration.arrays.size(), calibrator.tokens(),
        path.string());
  if (!held_out.empty())
    print(
        "kvzap against a replay of {} held-out documents: correlation {:.3f}, within layers "
        "{:.3f}\n",
        held_out.size(), quality.overall, quality.within_layers);
}

}  // namespace

void add_calibrate(CLI::App& app) {
  auto options = std::make_shared<CalibrateCommand>();
  CLI::App* command = app.add_subcommand(
      "calibrate",
      "Measure what some recipes need to know of a model (curves, csa, qfilters, kvzap, @ auto)");
  add_model_options(*command, options->model);
  command
      ->add_option(
          "--what", options->what,
          "parts (curves, csa, qfilters, kvzap), guard (the budget auto) or encoder (virtual)")
      ->check(CLI::IsMember({"parts", "guard", "encoder"}))
      ->capture_default_str();
  command
      ->add_option(
          "--documents", options->documents,
          "Generated documents to read (32 for parts, 60 for the guard, 240 for an encoder)")
      ->check(in_range(1, 10000));
  command->add_option("--tokens", options->tokens, "Tokens of each")
      ->check(in_range(200, 65536))
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object");
  add_guard_options(*command, options->guard);
  add_encoder_options(*command, options->encoder);
  command->footer(kExamples);
  command->callback([options, command] {
    refuse_strangers(*command, options->what);
    if (options->what == "guard") return guard_command(*options);
    if (options->what == "encoder") return encoder_command(*options);
    parts_command(*options);
  });
}

}  // namespace pith::cli
