#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "recipe/grammar.h"
#include "recipe/registry.h"

namespace pith::recipe {
namespace {

constexpr std::size_t kLongestText = 1024;

std::optional<double> parse_number(std::string_view text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

std::string expected(const Parameter& parameter) {
  switch (parameter.type) {
    case ParameterType::integer:
    case ParameterType::real:
      return fmt::format("{} from {} to {}", to_string(parameter.type), parameter.least,
                         parameter.most);
    case ParameterType::flag:
      return "true or false";
    case ParameterType::choice:
      return fmt::format("one of {}", fmt::join(parameter.choices, ", "));
    case ParameterType::text:
      return fmt::format("a text of 1 to {} bytes", kLongestText);
  }
  return {};
}

}  // namespace

Parameter integer(std::string_view name, std::string_view value, double least, double most,
                  std::string_view doc) {
  return {name, ParameterType::integer, value, least, most, {}, doc};
}

Parameter real(std::string_view name, std::string_view value, double least, double most,
               std::string_view doc) {
  return {name, ParameterType::real, value, least, most, {}, doc};
}

Parameter flag(std::string_view name, std::string_view value, std::string_view doc) {
  return {name, ParameterType::flag, value, 0, 1, {}, doc};
}

Parameter choice(std::string_view name, std::vector<std::string_view> choices,
                 std::string_view doc) {
  const std::string_view first = choices.front();
  return {name, ParameterType::choice, first, 0, 0, std::move(choices), doc};
}

Parameter text(std::string_view name, std::string_view value, std::string_view doc) {
  return {name, ParameterType::text, value, 0, 0, {}, doc};
}

Parameter Parameter::unless(std::string_view other, std::string_view value) const {
  Parameter out = *this;
  out.with = other;
  out.default_with = value;
  return out;
}

Parameter Parameter::without_default() const {
  Parameter out = *this;
  out.no_default = true;
  return out;
}

Parameter quirk(std::string_view what_kvpress_does) {
  return choice("quirk", {"none", "kvpress"}, what_kvpress_does);
}

Arguments::Arguments(const std::vector<Parameter>& parameters) {
  for (const Parameter& parameter : parameters) {
    values_.push_back({&parameter, 0, {}, false});
    const std::string refusal = assign(values_.back(), parameter.default_value);
    PITH_CHECK(refusal.empty(), fmt::format("default of {}: {}", parameter.name, refusal));
  }
}

std::string Arguments::set(std::string_view name, std::string_view text) {
  Value& value = const_cast<Value&>(find(name));
  const std::string refusal = assign(value, text);
  if (!refusal.empty()) return refusal;
  value.given = true;
  for (Value& other : values_)
    if (other.parameter->with == name && !other.given) assign(other, default_of(other));
  return {};
}

std::string_view Arguments::default_of(const Value& value) const {
  const Parameter& parameter = *value.parameter;
  if (parameter.with.empty()) return parameter.default_value;
  const Value& with = find(parameter.with);
  return with.text == with.parameter->default_value ? parameter.default_value
                                                    : parameter.default_with;
}

// Sets the value but for `given`.
std::string Arguments::assign(Value& value, std::string_view text) const {
  const Parameter& parameter = *value.parameter;
  const auto refuse = [&](std::string_view hint) {
    return fmt::format("{}={} is out of range: {} was expected{}", parameter.name, text,
                       expected(parameter), hint);
  };
  switch (parameter.type) {
    case ParameterType::flag:
      if (text != "true" && text != "false" && text != "1" && text != "0") return refuse("");
      value.number = text == "true" || text == "1" ? 1 : 0;
      value.text = value.number != 0 ? "true" : "false";
      break;
    case ParameterType::choice: {
      const auto& all = parameter.choices;
      if (std::find(all.begin(), all.end(), text) == all.end()) {
        const auto near = nearest(text, all);
        return refuse(near ? fmt::format("; did you mean \"{}\"?", *near) : "");
      }
      value.text = text;
      break;
    }
    case ParameterType::text:
      if (text.empty() || text.size() > kLongestText) return refuse("");
      value.text = text;
      break;
    case ParameterType::integer:
    case ParameterType::real: {
      const auto number = parse_number(text);
      const bool whole = parameter.type == ParameterType::integer;
      if (!number || *number < parameter.least || *number > parameter.most ||
          (whole && std::floor(*number) != *number))
        return refuse("");
      value.number = *number + 0.0;  // -0 prints as 0
      value.text =
          whole ? fmt::format("{}", static_cast<Index>(*number)) : fmt::format("{}", value.number);
    }
  }
  return {};
}

const Arguments::Value& Arguments::find(std::string_view name) const {
  const auto found = std::find_if(values_.begin(), values_.end(),
                                  [&](const Value& v) { return v.parameter->name == name; });
  PITH_CHECK(found != values_.end(), fmt::format("no parameter {}", name));
  return *found;
}

Index Arguments::integer(std::string_view name) const {
  return static_cast<Index>(find(name).number);
}
double Arguments::real(std::string_view name) const { return find(name).number; }
bool Arguments::flag(std::string_view name) const { return find(name).number != 0; }
std::string_view Arguments::choice(std::string_view name) const { return find(name).text; }
std::string_view Arguments::text(std::string_view name) const {
  const Value& value = find(name);
  return value.text == value.parameter->default_value ? "" : std::string_view(value.text);
}
bool Arguments::kvpress_quirk() const { return choice("quirk") == "kvpress"; }
bool Arguments::given(std::string_view name) const { return find(name).given; }
bool Arguments::has(std::string_view name) const {
  return std::any_of(values_.begin(), values_.end(),
                     [&](const Value& value) { return value.parameter->name == name; });
}

std::string Arguments::to_string() const {
  std::string out;
  for (const Value& value : values_) {
    if (value.parameter->no_default ? !value.given : value.text == default_of(value)) continue;
    const bool text = value.parameter->type == ParameterType::text;
    out += fmt::format("{}{}={}", out.empty() ? "(" : ", ", value.parameter->name,
                       text ? recipe::quoted(value.text) : value.text);
  }
  return out.empty() ? out : out + ")";
}

}  // namespace pith::recipe
