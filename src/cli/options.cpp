#include "cli/options.h"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/thread_pool.h"
#include "cache/entry.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "hub/hub.h"
#include "kernels/isa.h"

namespace pith::cli {
namespace {

constexpr double kHottest = 1e6;  // a temperature at which every token is as likely as any
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // no part of the text it precedes
constexpr Index kLargestText = Index{1} << 28;               // bytes: far beyond any model's range

std::string read_standard_input() {
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  if (std::ssize(text) > kLargestText)
    fail(ErrorCode::bad_input,
         fmt::format("standard input is larger than the {} that a text may have here",
                     human_bytes(kLargestText)));
  return text;
}

// Refuses what is no such number or beyond its bounds.
template <typename Number>
CLI::Validator within(Number least, Number most, std::string_view what) {
  const auto refusal = [least, most, what](std::string& text) -> std::string {
    Number value{};
    if (CLI::detail::lexical_cast(text, value) && value >= least && value <= most) return "";
    return fmt::format("\"{}\": {} from {} to {} was expected", text, what, least, most);
  };
  return CLI::Validator(refusal, "");
}

}  // namespace

CLI::Validator in_range(Index least, Index most) { return within(least, most, "a whole number"); }

CLI::Validator between(double least, double most) { return within(least, most, "a number"); }

CLI::Validator seed_number() {
  const auto refusal = [](std::string& text) -> std::string {
    std::uint64_t seed = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, seed);
    if (error == std::errc() && stop == end) return "";
    return fmt::format("\"{}\": a whole number from 0 to 2^64 - 1 was expected", text);
  };
  return CLI::Validator(refusal, "");
}

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

std::shared_ptr<Engine> load_engine(const ModelOptions& options, bool ignore_batch_size) {
  EngineOptions engine;
  engine.threads = options.threads;
  engine.numerics = options.exact ? Numerics::exact : Numerics::fast;
  engine.ignore_batch_size = ignore_batch_size;
  return Engine::load(find_model(options.model), engine);
}

std::string model_label(const std::string& model) {
  const std::filesystem::path path(model);
  return path.extension() == ".gguf" ? path.stem().string() : path.filename().string();
}

void add_sampling_options(CLI::App& command, SamplingOptions& options) {
  Sampling& sampling = options.sampling;
  const auto share = between(0, 1);
  command.add_option("--temperature", sampling.temperature, "0 always takes the likeliest token")
      ->capture_default_str()
      ->check(between(0, kHottest))
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
  command.add_option("--seed", sampling.seed, "The same seed draws the same text")
      ->check(seed_number())
      ->type_name("N");
  command.add_option("--stop", options.stop, "End before this text (may be given several times)")
      ->allow_extra_args(false)
      ->type_name("TEXT");
}

void check_sampling(const CLI::App& command, const SamplingOptions& options) {
  if (options.sampling.temperature > 0) return;
  for (const char* name : {"--top-k", "--top-p", "--min-p"})
    if (command.count(name) > 0)
      throw CLI::ValidationError(
          name,
          "is for drawn tokens, and at temperature 0 the likeliest is always "
          "taken; give --temperature as well");
}

std::string read_text(const std::string& file) {
  std::string text = file == "-" ? read_standard_input() : read_file(file, kLargestText);
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return text;
}

std::vector<std::string> read_lines(const std::string& file) {
  std::istringstream text(read_text(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> read_questions(const std::string& file) {
  std::vector<std::string> questions;
  for (const std::string& line : read_lines(file)) {
    const auto first = line.find_first_not_of(" \t");
    if (first == std::string::npos || line[first] == '#') continue;
    questions.push_back(line.substr(first));
  }
  if (questions.empty())
    fail(ErrorCode::bad_input,
         fmt::format("{}: no line with text in it; one per line was expected", file));
  return questions;
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
