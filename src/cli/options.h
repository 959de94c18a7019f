// Options that several commands share, and how they become engines, texts and recipes.
// It parses no command line by itself; CLI11 does.
#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/generate.h"
#include "recipe/recipe.h"

namespace pith::cli {

inline constexpr std::string_view kDefaultModel = "qwen2.5-coder-0.5b-instruct";

struct ModelOptions {
  std::string model{kDefaultModel};  // a name of models.json, or a path
  int threads = 0;                   // 0: one per core
  bool exact = false;
};
// Checks that say nothing in the help: whole numbers, numbers (nan is none), and seeds.
CLI::Validator in_range(Index least, Index most);
CLI::Validator between(double least, double most);
CLI::Validator seed_number();
void add_model_options(CLI::App& command, ModelOptions& options);
// For commands that only look at a file.
void add_model_name(CLI::App& command, std::string& model);

// The file behind a name or a path. Throws not_found with the command that fetches it.
std::filesystem::path find_model(const std::string& model);
std::shared_ptr<Engine> load_engine(const ModelOptions& options, bool ignore_batch_size = false);
// What a report calls the model: the name as given, or the file's without folder and ending. JSON
// has it as `model`, beside `model_name`, which is what the model calls itself.
std::string model_label(const std::string& model);

struct SamplingOptions {
  Sampling sampling;
  std::vector<std::string> stop;
};
void add_sampling_options(CLI::App& command, SamplingOptions& options);
// Refuses options that choose among drawn tokens where the likeliest is always taken.
void check_sampling(const CLI::App& command, const SamplingOptions& options);

// The text of a file, or of standard input for "-", without a byte order mark before it. Errors
// name the file.
std::string read_text(const std::string& file);

// Lines of a text file as they are, without their ends.
std::vector<std::string> read_lines(const std::string& file);
// The same without blank lines and those that begin with '#'. Throws bad_input when none is left.
std::vector<std::string> read_questions(const std::string& file);

// For commands that read plain text: throws bad_recipe for a recipe that counts turns.
void refuse_turns(const recipe::Recipe& recipe);

// Numbers that every account of a run carries.
std::string_view isa_name();
std::string_view numerics_name(const Engine& engine);
// How the entries of a cache are stored, most frequent first: "bf16", "int4+bf16".
std::string cache_format_name(const cache::Cache& cache);

}  // namespace pith::cli
