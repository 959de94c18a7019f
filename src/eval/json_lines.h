// JSON lines with messages that say file and line. It knows no suite's fields.
#pragma once

#include <functional>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith::eval {

// One object of a file of JSON lines. Fields are read with their type; a wrong one throws
// bad_input.
class JsonLine {
 public:
  JsonLine(nlohmann::json object, std::string place)
      : object_(std::move(object)), place_(std::move(place)) {}

  bool has(std::string_view field) const;
  std::string text(std::string_view field) const;
  std::string text(std::string_view field, std::string_view otherwise) const;
  std::vector<std::string> texts(std::string_view field) const;  // or a single string
  Index integer(std::string_view field, Index otherwise, Index least, Index most) const;
  // Refuses any field that is not in the list.
  void only(std::initializer_list<std::string_view> fields) const;
  [[noreturn]] void fail(const std::string& message) const;

 private:
  const nlohmann::json* find(std::string_view field) const;
  nlohmann::json object_;
  std::string place_;  // file:line
};

// Calls `each` for every line that is not empty.
void for_each_line(std::string_view text, std::string_view name,
                   const std::function<void(const JsonLine&)>& each);

}  // namespace pith::eval
