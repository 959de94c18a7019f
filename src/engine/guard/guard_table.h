// What the guard was calibrated on: per document the signal and the loss on every rung of a ladder
// of ratios, from which the threshold of any risk follows. One table per model and recipe: in a
// file beside the model, or built into pith. It measures nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/guard/conformal.h"
#include "recipe/recipe.h"

namespace pith {

struct GuardTable {
  std::string model_name;
  std::uint64_t model_hash = 0;
  std::string recipe;          // canonical, without its budget
  std::string documents;       // of what kind, for people: "needle_multi, kv of 1000 tokens"
  std::vector<double> ladder;  // [K] ratios, ascending
  std::vector<GuardRecord> records;

  std::uint64_t hash() const;  // of all that decides a choice

  // The table of a recipe for the engine's model: from the file beside it, else from those built
  // in. Throws not_found with the command that makes one, bad_file for a damaged file.
  static GuardTable of(const Engine& engine, const recipe::Recipe& recipe);
};

// A guarded recipe as tables name it: canonical, without its budget.
std::string guarded_parts(const recipe::Recipe& recipe);

// The ladder that calibrations climb.
std::vector<double> default_ladder();

// Tables as JSON: a list, one line per record. Throws bad_file for what is no such list.
std::string to_json(const std::vector<GuardTable>& tables);
std::vector<GuardTable> parse_guard_tables(std::string_view json, const std::string& name);

// The file beside the engine's model, and a table added to it (instead of that of the same recipe).
std::filesystem::path guard_file(const Engine& engine);
void save_guard_table(const GuardTable& table, const std::filesystem::path& file);

}  // namespace pith
