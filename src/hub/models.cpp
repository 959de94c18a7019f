#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "hub/hub.h"
#include "hub/models_json.h"

namespace pith::hub {
namespace {

using json = nlohmann::ordered_json;  // models are listed in the order of the file

class ModelParser {
 public:
  ModelParser(std::string_view origin, std::string name)
      : origin_(origin), name_(std::move(name)) {}

  Model parse(const json& entry) const {
    if (!plain(name_)) bad("the name may hold only a-z, 0-9, '.', '_' and '-'");
    if (!entry.is_object()) bad("an object was expected");
    refuse_unknown(entry, {"description", "licence", "bytes", "sha256", "default_for", "sources"});
    Model model;
    model.name = name_;
    model.description = text(entry, "description");
    model.licence = text(entry, "licence");
    model.sha256 = text(entry, "sha256");
    const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (model.sha256.size() != 64 || !std::ranges::all_of(model.sha256, hex))
      bad("'sha256' must be 64 lower-case hex digits");
    const auto bytes = entry.find("bytes");
    if (bytes == entry.end() || !bytes->is_number_integer() || bytes->get<Index>() <= 0)
      bad("'bytes' must be the size of the file");
    model.bytes = bytes->get<Index>();
    if (entry.contains("default_for")) model.default_for = texts(entry, "default_for");
    const auto sources = entry.find("sources");
    if (sources == entry.end() || !sources->is_array() || sources->empty())
      bad("'sources' must be a list with at least one source");
    for (const json& source : *sources) model.sources.push_back(parse_one(source));
    return model;
  }

 private:
  std::string_view origin_;
  std::string name_;

  [[noreturn]] void bad(const std::string& problem) const {
    fail(ErrorCode::bad_input, fmt::format("{}: model '{}': {}", origin_, name_, problem));
  }

  static bool plain(std::string_view name) {
    constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    return !name.empty() && !name.starts_with('.') &&
           name.find_first_not_of(kAllowed) == std::string_view::npos;
  }

  void refuse_unknown(const json& object, std::initializer_list<std::string_view> known) const {
    for (const auto& [key, value] : object.items())
      if (std::ranges::find(known, key) == known.end())
        bad(fmt::format("unknown key '{}'; known are {}", key, fmt::join(known, ", ")));
  }

  std::string text(const json& object, const char* key) const {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string())
      bad(fmt::format("'{}' must be a string", key));
    return found->get<std::string>();
  }

  std::vector<std::string> texts(const json& object, const char* key) const {
    const json& list = object.at(key);
    const auto is_string = [](const json& item) { return item.is_string(); };
    if (!list.is_array() || !std::ranges::all_of(list, is_string))
      bad(fmt::format("'{}' must be a list of strings", key));
    return list.get<std::vector<std::string>>();
  }

  Source parse_one(const json& source) const {
    if (source.is_string()) return parse_source(source.get<std::string>());
    if (!source.is_object() || !source.contains("pypi"))
      bad("a source must be a string or an object with 'pypi' and 'member'");
    refuse_unknown(source, {"pypi", "member"});
    Source result;
    result.kind = Source::Kind::pypi;
    result.packages = texts(source, "pypi");
    result.member = text(source, "member");
    if (result.packages.empty()) bad("'pypi' names no package");
    // A leading '-' would be an option of pip.
    for (const std::string& package : result.packages)
      if (package.find("==") == std::string::npos || package.starts_with('-'))
        bad(fmt::format("package '{}' must be given as name==version", package));
    return result;
  }
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::filesystem::path models_folder() {
  if (const auto folder = environment("PITH_MODELS"); !folder.empty()) return folder;
  if (const auto cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return std::filesystem::path(cache) / "pith" / "models";
  if (const auto home = environment("HOME"); !home.empty())
    return std::filesystem::path(home) / ".cache" / "pith" / "models";
  fail(ErrorCode::bad_input,
       "no folder for models: set PITH_MODELS to one (neither HOME nor XDG_CACHE_HOME is set)");
}

}  // namespace

std::string to_string(const Source& source) {
  switch (source.kind) {
    case Source::Kind::pypi:
      return fmt::format("pypi:{}", fmt::join(source.packages, ","));
    case Source::Kind::hf:
      return "hf:" + source.address;
    case Source::Kind::url:
    case Source::Kind::path:
      break;
  }
  return source.address;
}

Source parse_source(std::string_view text) {
  Source source;
  source.address = text;
  if (text.starts_with("hf:")) {
    source.kind = Source::Kind::hf;
    source.address = text.substr(3);
    if (std::ranges::count(source.address, '/') < 2)
      fail(ErrorCode::bad_input,
           fmt::format("'{}' is not an address: hf:owner/repo/file.gguf was expected", text));
  } else if (!text.starts_with("http://") && !text.starts_with("https://")) {
    source.kind = Source::Kind::path;
  }
  return source;
}

std::vector<Model> parse_models(std::string_view text, std::string_view origin) {
  json table;
  try {
    table = json::parse(text);
  } catch (const json::parse_error& error) {
    fail(ErrorCode::bad_input, fmt::format("{}: not valid JSON near byte {}", origin, error.byte));
  } catch (const json::out_of_range&) {
    fail(ErrorCode::bad_input, fmt::format("{}: a number is too large for a double", origin));
  }
  if (!table.is_object())
    fail(ErrorCode::bad_input, fmt::format("{}: an object of models was expected", origin));
  std::vector<Model> models;
  for (const auto& [name, entry] : table.items()) {
    const ModelParser parser(origin, name);
    models.push_back(parser.parse(entry));
  }
  return models;
}

Settings Settings::from_environment() {
  Settings settings;
  settings.folder = models_folder();
  const std::string table = environment("PITH_MODELS_JSON");
  settings.models = table.empty() ? parse_models(kModelsJson, "models.json (built in)")
                                  : parse_models(read_file(table, 1 << 20), table);
  if (const auto endpoint = environment("HF_ENDPOINT"); !endpoint.empty()) {
    settings.hf_endpoint = endpoint;
    while (settings.hf_endpoint.ends_with('/')) settings.hf_endpoint.pop_back();
  }
  return settings;
}

}  // namespace pith::hub
