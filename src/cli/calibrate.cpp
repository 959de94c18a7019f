#include <memory>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/steps.h"
#include "engine/budgets.h"
#include "eval/suite.h"

namespace pith::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pith calibrate -m qwen2.5-coder-0.5b-instruct
  pith calibrate -m smollm2-135m-instruct --documents 6 --tokens 600
Recipes with curves or csa look up what this command measures, once per model. It reads and replays generated documents, and
saves beside the model.)";

struct CalibrateCommand {
  ModelOptions model;
  Index documents = 12, tokens = 1000;
  bool json = false;
};

constexpr std::uint64_t kSeed = 7001;  // not those of evaluations, which count from 1

// Documents of several kinds, turn by turn, so that no kind of text decides alone.
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

void calibrate_command(const CalibrateCommand& command) {
  const auto engine = load_engine(command.model);
  const auto& path = engine->options().calibration;
  const std::vector<std::string> texts = make_texts(command, *engine);
  BudgetMeter meter(engine);
  StepProgress reading("reading and replaying documents");
  Index tokens = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const DocumentPrompt document(*engine, texts[i]);
    meter.add(document);
    tokens += std::ssize(document.context());
    reading.callback()(static_cast<Index>(i) + 1, std::ssize(texts));
  }
  Calibration calibration{.model_name = engine->config().name,
                          .model_hash = engine->model().hash(),
                          .note = fmt::format("{} tokens", tokens),
                          .arrays = {}};
  meter.write(calibration);
  calibration.save(path);
  if (command.json)
    put_json({{"model", model_label(command.model)},
              {"file", path.string()},
              {"arrays", calibration.arrays.size()},
              {"tokens", tokens}});
  else
    print("{} arrays from {} tokens saved in {}\n", calibration.arrays.size(), human_count(tokens),
          path.string());
}

}  // namespace

void add_calibrate(CLI::App& app) {
  auto options = std::make_shared<CalibrateCommand>();
  CLI::App* command = app.add_subcommand(
      "calibrate", "Measure what some recipes need to know of a model (curves, csa)");
  add_model_options(*command, options->model);
  command->add_option("--documents", options->documents, "Generated documents to read")
      ->check(in_range(1, 10000))
      ->capture_default_str();
  command->add_option("--tokens", options->tokens, "Tokens of each")
      ->check(in_range(200, 65536))
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object");
  command->footer(kExamples);
  command->callback([options] { calibrate_command(*options); });
}

}  // namespace pith::cli
