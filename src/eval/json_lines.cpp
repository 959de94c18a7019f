#include "eval/json_lines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"

namespace pith::eval {
namespace {

using nlohmann::json;

// Arrays in arrays may be as deep as a file is long; nobody needs more than this.
constexpr int kMaxDepth = 64;

bool too_deep(std::string_view line) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == '[' || c == '{')) {
      if (++depth > kMaxDepth) return true;
    } else if (!quoted && (c == ']' || c == '}')) {
      --depth;
    }
  }
  return false;
}

}  // namespace

const json* JsonLine::find(std::string_view field) const {
  const auto found = object_.find(std::string(field));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool JsonLine::has(std::string_view field) const { return find(field) != nullptr; }

void JsonLine::fail(const std::string& message) const {
  pith::fail(ErrorCode::bad_input, place_ + ": " + message);
}

std::string JsonLine::text(std::string_view field) const {
  const json* value = find(field);
  if (value == nullptr) fail(fmt::format("\"{}\" is missing; expected a string", field));
  if (!value->is_string())
    fail(fmt::format("\"{}\" is {}; expected a string", field, value->type_name()));
  return value->get<std::string>();
}

std::string JsonLine::text(std::string_view field, std::string_view otherwise) const {
  return has(field) ? text(field) : std::string(otherwise);
}

std::vector<std::string> JsonLine::texts(std::string_view field) const {
  const json* value = find(field);
  if (value == nullptr) fail(fmt::format("\"{}\" is missing; expected a list of strings", field));
  if (value->is_string()) return {value->get<std::string>()};
  std::vector<std::string> list;
  if (!value->is_array())
    fail(fmt::format("\"{}\" is {}; expected a list of strings", field, value->type_name()));
  for (const json& entry : *value) {
    if (!entry.is_string())
      fail(fmt::format("\"{}\" holds {}; expected a list of strings", field, entry.type_name()));
    list.push_back(entry.get<std::string>());
  }
  return list;
}

Index JsonLine::integer(std::string_view field, Index otherwise, Index least, Index most) const {
  const json* value = find(field);
  if (value == nullptr) return otherwise;
  const bool small = value->is_number_integer() &&
                     (!value->is_number_unsigned() || value->get<std::uint64_t>() < (1u << 31));
  if (!small || value->get<Index>() < least || value->get<Index>() > most)
    fail(fmt::format("\"{}\" must be an integer from {} to {}", field, least, most));
  return value->get<Index>();
}

void JsonLine::only(std::initializer_list<std::string_view> fields) const {
  for (const auto& [field, value] : object_.items())
    if (std::find(fields.begin(), fields.end(), field) == fields.end())
      fail(fmt::format("unknown field \"{}\"; known are {}", field, fmt::join(fields, ", ")));
}

void for_each_line(std::string_view text, std::string_view name,
                   const std::function<void(const JsonLine&)>& each) {
  Index number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const auto line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string place = fmt::format("{}:{}", name, number);
    json object;
    if (too_deep(line))
      fail(ErrorCode::bad_input, fmt::format("{}: lists nested deeper than {}", place, kMaxDepth));
    try {
      object = json::parse(line);
    } catch (const json::parse_error& error) {
      fail(ErrorCode::bad_input,
           fmt::format("{}: not JSON at column {}; expected one object a line", place, error.byte));
    } catch (const json::out_of_range&) {
      fail(ErrorCode::bad_input, fmt::format("{}: a number is too large for a double", place));
    }
    if (!object.is_object())
      fail(ErrorCode::bad_input,
           fmt::format("{}: {} found; expected an object", place, object.type_name()));
    each(JsonLine(std::move(object), place));
  }
}

}  // namespace pith::eval
