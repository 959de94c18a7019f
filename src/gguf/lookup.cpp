#include <fmt/format.h>

#include <limits>

#include "base/error.h"
#include "gguf/gguf.h"

namespace pith::gguf {
namespace {

std::string_view type_name(const Value& value) {
  static constexpr std::string_view kNames[] = {"an unsigned integer",
                                                "an integer",
                                                "a number",
                                                "a boolean",
                                                "a string",
                                                "an array of unsigned",
                                                "an array of ints",
                                                "an array of numbers",
                                                "an array of booleans",
                                                "an array of strings"};
  static_assert(std::size(kNames) == std::variant_size_v<Value>);
  return kNames[value.index()];
}

[[noreturn]] void fail_missing(const File& file, std::string_view key) {
  fail(ErrorCode::bad_model,
       fmt::format("{}: metadata key '{}' is missing; the model needs it, so convert it again with "
                   "a current converter",
                   file.name(), key));
}

[[noreturn]] void fail_type(const File& file, std::string_view key, const Value& value,
                            std::string_view expected) {
  fail(ErrorCode::bad_model, fmt::format("{}: metadata key '{}' is {}, but {} was expected",
                                         file.name(), key, type_name(value), expected));
}

const Value& require(const File& file, std::string_view key) {
  const Value* value = file.find(key);
  if (!value) fail_missing(file, key);
  return *value;
}

Index to_index(const File& file, std::string_view key, std::uint64_t value) {
  if (value > std::uint64_t{std::numeric_limits<Index>::max()})
    fail(ErrorCode::bad_model,
         fmt::format("{}: metadata key '{}' has the value {}, which is impossible", file.name(),
                     key, value));
  return static_cast<Index>(value);
}

Index as_index(const File& file, std::string_view key, const Value& value) {
  if (const auto* u = std::get_if<std::uint64_t>(&value)) return to_index(file, key, *u);
  if (const auto* i = std::get_if<std::int64_t>(&value)) return *i;
  fail_type(file, key, value, "an integer");
}

double as_number(const File& file, std::string_view key, const Value& value) {
  if (const auto* d = std::get_if<double>(&value)) return *d;
  if (const auto* u = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*u);
  if (const auto* i = std::get_if<std::int64_t>(&value)) return static_cast<double>(*i);
  fail_type(file, key, value, "a number");
}

const std::string& as_string(const File& file, std::string_view key, const Value& value) {
  if (const auto* s = std::get_if<std::string>(&value)) return *s;
  fail_type(file, key, value, "a string");
}

}  // namespace

const Value* File::find(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

const Tensor* File::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

const Tensor& File::tensor(std::string_view name) const {
  if (const Tensor* found = find_tensor(name)) return *found;
  const bool split = get_index("split.count", 1) > 1;
  fail(ErrorCode::bad_model,
       fmt::format("{}: tensor '{}' is missing; {}", name_, name,
                   split ? "this is one part of a split model: merge the parts into one file first"
                         : "a complete model was expected"));
}

std::string File::get_string(std::string_view key) const {
  return as_string(*this, key, require(*this, key));
}

std::string File::get_string(std::string_view key, std::string_view fallback) const {
  const Value* value = find(key);
  return value ? as_string(*this, key, *value) : std::string(fallback);
}

Index File::get_index(std::string_view key) const {
  return as_index(*this, key, require(*this, key));
}

Index File::get_index(std::string_view key, Index fallback) const {
  const Value* value = find(key);
  return value ? as_index(*this, key, *value) : fallback;
}

double File::get_number(std::string_view key) const {
  return as_number(*this, key, require(*this, key));
}

double File::get_number(std::string_view key, double fallback) const {
  const Value* value = find(key);
  return value ? as_number(*this, key, *value) : fallback;
}

bool File::get_bool(std::string_view key, bool fallback) const {
  const Value* value = find(key);
  if (!value) return fallback;
  if (const auto* b = std::get_if<bool>(value)) return *b;
  fail_type(*this, key, *value, "a boolean");
}

const std::vector<std::string>& File::get_strings(std::string_view key) const {
  const Value& value = require(*this, key);
  if (const auto* strings = std::get_if<std::vector<std::string>>(&value)) return *strings;
  fail_type(*this, key, value, "an array of strings");
}

std::vector<float> File::get_floats(std::string_view key) const {
  const Value& value = require(*this, key);
  const auto convert = [](const auto& from) {
    return std::vector<float>(from.begin(), from.end());
  };
  if (const auto* d = std::get_if<std::vector<double>>(&value)) return convert(*d);
  if (const auto* u = std::get_if<std::vector<std::uint64_t>>(&value)) return convert(*u);
  if (const auto* i = std::get_if<std::vector<std::int64_t>>(&value)) return convert(*i);
  fail_type(*this, key, value, "an array of numbers");
}

std::vector<Index> File::get_indices(std::string_view key) const {
  const Value& value = require(*this, key);
  if (const auto* i = std::get_if<std::vector<std::int64_t>>(&value)) return *i;
  if (const auto* u = std::get_if<std::vector<std::uint64_t>>(&value)) {
    std::vector<Index> result;
    result.reserve(u->size());
    for (const std::uint64_t element : *u) result.push_back(to_index(*this, key, element));
    return result;
  }
  fail_type(*this, key, value, "an array of integers");
}

}  // namespace pith::gguf
