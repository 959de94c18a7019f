#include "engine/guard/guard_table.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "engine/calibration/calibration.h"
#include "engine/guard/guards_json.h"

namespace pith {
namespace {

using Json = nlohmann::ordered_json;

constexpr Index kLargestFile = Index{1} << 26;  // bytes

Json numbers(std::span<const double> values) {
  Json list = Json::array();
  for (const double value : values)
    list.push_back(std::isfinite(value) ? Json(value) : Json(nullptr));  // JSON has no infinity
  return list;
}

std::vector<double> read_numbers(const Json& list) {
  std::vector<double> values;
  for (const Json& value : list)
    values.push_back(value.is_null() ? std::numeric_limits<double>::infinity()
                                     : value.get<double>());
  return values;
}

// Why a table makes no sense, or "".
std::string_view flaw(const GuardTable& table) {
  if (table.ladder.empty() || table.ladder.front() < 1 ||
      !std::is_sorted(table.ladder.begin(), table.ladder.end()))
    return "its ladder is not a list of ascending ratios";
  for (const GuardRecord& record : table.records) {
    if (record.signals.size() != table.ladder.size() || record.losses.size() != table.ladder.size())
      return "a record has not one signal and one loss per rung";
    if (!std::is_sorted(record.losses.begin(), record.losses.end()) ||
        !(record.losses.front() >= 0) || !(record.losses.back() <= 1))
      return "losses are not ascending shares";
  }
  return "";
}

}  // namespace

std::uint64_t GuardTable::hash() const {
  const std::string text = to_json({*this});
  return XXH3_64bits(text.data(), text.size());
}

std::vector<double> default_ladder() { return {2, 3, 4, 6, 8, 10, 12, 16, 24}; }

std::string guarded_parts(const recipe::Recipe& recipe) {
  const std::string text = recipe.to_string();
  return text.substr(0, text.rfind(" @ "));
}

std::string to_json(const std::vector<GuardTable>& tables) {
  std::string out = "[";
  for (const GuardTable& table : tables) {
    out += fmt::format(
        "{}\n{{\"model\": {}, \"model_hash\": \"{:016x}\", \"recipe\": {},\n \"documents\": {},\n "
        "\"ladder\": {},\n \"records\": [",
        out.size() > 1 ? "," : "", Json(table.model_name).dump(), table.model_hash,
        Json(table.recipe).dump(), Json(table.documents).dump(), numbers(table.ladder).dump());
    for (std::size_t i = 0; i < table.records.size(); ++i)
      out +=
          fmt::format("{}\n  [{}, {}]", i > 0 ? "," : "", numbers(table.records[i].signals).dump(),
                      numbers(table.records[i].losses).dump());
    out += "]}";
  }
  return out + "\n]\n";
}

std::vector<GuardTable> parse_guard_tables(std::string_view json, const std::string& name) {
  const auto damaged = [&](std::string_view what) {
    fail(ErrorCode::bad_file,
         fmt::format("{} is no list of guard tables: {}; delete it and run `pith calibrate --what "
                     "guard` again",
                     name, what));
  };
  std::vector<GuardTable> tables;
  try {
    const Json list = Json::parse(json);
    if (!list.is_array()) damaged("a list was expected");
    for (const Json& one : list) {
      GuardTable table;
      table.model_name = one.at("model");
      table.model_hash = std::stoull(one.at("model_hash").get<std::string>(), nullptr, 16);
      table.recipe = one.at("recipe");
      table.documents = one.at("documents");
      table.ladder = read_numbers(one.at("ladder"));
      for (const Json& record : one.at("records"))
        table.records.push_back({read_numbers(record.at(0)), read_numbers(record.at(1))});
      tables.push_back(std::move(table));
    }
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    damaged(error.what());
  }
  for (const GuardTable& table : tables)
    if (const auto what = flaw(table); !what.empty()) damaged(what);
  return tables;
}

std::filesystem::path guard_file(const Engine& engine) {
  std::filesystem::path path = engine.options().calibration;
  return path.replace_extension(".guard.json");
}

GuardTable GuardTable::of(const Engine& engine, const recipe::Recipe& recipe) {
  const std::string parts = guarded_parts(recipe);
  const auto find = [&](std::vector<GuardTable> tables) -> std::optional<GuardTable> {
    for (GuardTable& table : tables)
      if (table.model_hash == engine.model().hash() && table.recipe == parts)
        return std::move(table);
    return std::nullopt;
  };
  const auto file = guard_file(engine);
  if (!engine.options().calibration.empty() && is_there(file))
    if (auto own = find(parse_guard_tables(read_file(file, kLargestFile), file.string())))
      return *own;
  if (auto built_in = find(parse_guard_tables(engine::kGuardsJson, "guards.json")))
    return *built_in;
  fail(
      ErrorCode::not_found,
      fmt::format("@ auto is not calibrated for `{}` on {}; calibrate it once with: pith calibrate "
                  "-m {} --what guard --kv \"{}\"; or give a fixed budget such as \"@ 4x\"",
                  parts, engine.config().name, model_argument(engine), parts));
}

void save_guard_table(const GuardTable& table, const std::filesystem::path& file) {
  std::vector<GuardTable> tables;
  if (is_there(file)) tables = parse_guard_tables(read_file(file, kLargestFile), file.string());
  std::erase_if(tables, [&](const GuardTable& other) {
    return other.recipe == table.recipe && other.model_hash == table.model_hash;
  });
  tables.push_back(table);
  FileWriter writer(file);
  writer.write(to_json(tables));
  writer.commit();
}

}  // namespace pith
