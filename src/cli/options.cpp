#include "cli/options.h"

#include <algorithm>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "cache/entry.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "hub/hub.h"
#include "kernels/isa.h"

namespace pith::cli {
namespace {

constexpr int kMostThreads = 1024;
constexpr double kHottest = 1e6;  // a temperature at which every token is as likely as any
constexpr Index kLargestText = Index{1} << 28;  // bytes: far beyond any model's range

std::string read_standard_input() {
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  if (std::ssize(text) > kLargestText)
    fail(ErrorCode::bad_input,
         fmt::format("standard input is larger than the {} that a text may have here",
                     human_bytes(kLargestText)));
  return text;
}

}  // namespace

CLI::Validator in_range(Index least, Index most) { return CLI::Range(least, most).description(""); }

void add_model_name(CLI::App& command, std::string& model) {
  command
      .add_option("-m,--model", model,
                  "Model: a name (see pith pull --list) or a path to a GGUF file")
      ->capture_default_str()
      ->type_name("MODEL");
}

void add_model_options(CLI::App& command, ModelOptions& options) {
  add_model_name(command, options.model);
  command.add_option("--threads", options.threads, "Threads to compute with; 0 takes one per core")
      ->check(in_range(0, kMostThreads))
      ->type_name("N");
  command.add_flag("--exact", options.exact,
                   "Compute in f32 and keep the cache in f32 (slower; for comparisons)");
}

std::filesystem::path find_model(const std::string& model) { return hub::Hub().resolve(model); }

std::shared_ptr<Engine> load_engine(const ModelOptions& options) {
  EngineOptions engine;
  engine.threads = options.threads;
  engine.numerics = options.exact ? Numerics::exact : Numerics::fast;
  return Engine::load(find_model(options.model), engine);
}

std::string model_label(const ModelOptions& options) {
  const std::filesystem::path path(options.model);
  return path.extension() == ".gguf" ? path.stem().string() : path.filename().string();
}

void add_sampling_options(CLI::App& command, SamplingOptions& options) {
  Sampling& sampling = options.sampling;
  const auto share = CLI::Range(0.0, 1.0).description("");
  command.add_option("--temperature", sampling.temperature, "0 always takes the likeliest token")
      ->capture_default_str()
      ->check(CLI::Range(0.0, kHottest).description(""))
      ->type_name("T");
  command.add_option("--top-k", sampling.top_k, "Draw from the K likeliest tokens; 0: from all")
      ->check(in_range(0, Index{1} << 32))
      ->type_name("K");
  command
      .add_option("--top-p", sampling.top_p,
                  "Draw from the likeliest tokens that together reach probability P")
      ->check(share)
      ->type_name("P");
  command
      .add_option("--min-p", sampling.min_p,
                  "Leave out tokens below P times the likeliest one's probability")
      ->check(share)
      ->type_name("P");
  command.add_option("--seed", sampling.seed, "The same seed draws the same text")->type_name("N");
  command.add_option("--stop", options.stop, "End before this text (may be given several times)")
      ->allow_extra_args(false)
      ->type_name("TEXT");
}

std::string read_text(const std::string& file) {
  return file == "-" ? read_standard_input() : read_file(file, kLargestText);
}

std::vector<std::string> read_lines(const std::string& file) {
  std::istringstream text(read_text(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (line.ends_with('\r')) line.pop_back();
    const auto first = line.find_first_not_of(" \t");
    if (first == std::string::npos || line[first] == '#') continue;
    lines.push_back(line.substr(first));
  }
  if (lines.empty())
    fail(ErrorCode::bad_input,
         fmt::format("{}: no line with text in it; one per line was expected", file));
  return lines;
}

void refuse_turns(const recipe::Recipe& recipe) {
  if (recipe.needs().turns)
    fail(
        ErrorCode::bad_recipe,
        fmt::format("{}: it counts the turns of a conversation, and a document has none; leave out "
                    "turn_quota, or measure it on conversations: pith eval --suite transcript",
                    recipe.name()));
}

std::string_view isa_name() { return to_string(active_isa()); }
std::string_view numerics_name(const Engine& engine) {
  return engine.options().numerics == Numerics::exact ? "exact" : "fast";
}
std::string cache_format_name(const cache::Cache& cache) {
  std::map<std::string, Index> counts;
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane)
    for (const cache::Format format : cache.read_formats(lane)) {
      const std::string_view name = cache::to_string(format);
      ++counts[std::string(
          name.substr(0, name.find('_')))];  // rotated or not is the recipe's affair
    }
  std::vector<std::pair<Index, std::string>> order;
  for (const auto& [name, count] : counts) order.emplace_back(-count, name);
  std::sort(order.begin(), order.end());
  std::string out;
  for (const auto& [count, name] : order) out += (out.empty() ? "" : "+") + name;
  return out;
}

}  // namespace pith::cli
