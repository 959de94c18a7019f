#include <fmt/format.h>

#include <cmath>

#include "text/jinja/filters.h"
#include "text/jinja/strings.h"

namespace pith::jinja {
namespace {

constexpr std::size_t kMaxWidth = 10'000;

struct Field {
  bool left = false, zeros = false, plus = false;
  std::size_t width = 0;
  std::optional<std::size_t> precision;
  char conversion = 0;
};

std::size_t read_number(std::string_view format, std::size_t& at) {
  std::size_t number = 0;
  for (; at < format.size() && format[at] >= '0' && format[at] <= '9'; ++at) {
    number = number * 10 + static_cast<std::size_t>(format[at] - '0');
    if (number > kMaxWidth)
      throw RuntimeError(fmt::format("a width above {} in a format", kMaxWidth));
  }
  return number;
}

Field read_field(std::string_view format, std::size_t& at) {
  Field field;
  for (; at < format.size(); ++at) {
    if (format[at] == '-') {
      field.left = true;
    } else if (format[at] == '0') {
      field.zeros = true;
    } else if (format[at] == '+') {
      field.plus = true;
    } else {
      break;
    }
  }
  field.width = read_number(format, at);
  if (at < format.size() && format[at] == '.') field.precision = read_number(format, ++at);
  if (at == format.size()) throw RuntimeError("incomplete format");
  field.conversion = format[at++];
  return field;
}

std::string convert(Evaluator& evaluator, const Field& field, const Value& value) {
  require_defined(value);
  std::string text;
  switch (field.conversion) {
    case 's':
      text = text_of(evaluator, value);
      break;
    case 'r':
      text_of(evaluator, value);
      text = repr(value);
      break;
    case 'd':
    case 'i':
    case 'x':
    case 'f':
      if (!value.is_number()) {
        throw RuntimeError(fmt::format("%{} format: a number is required, not {}", field.conversion,
                                       type_name(value)));
      }
      if (field.conversion == 'f') {
        text = fmt::format("{:.{}f}", value.number(), field.precision.value_or(6));
      } else if (value.is(Kind::number) && !(std::abs(value.number()) < 9.2e18)) {
        throw RuntimeError("a float does not fit a 64-bit integer");
      } else {
        const auto number =
            value.is(Kind::number) ? static_cast<std::int64_t>(value.number()) : value.integer();
        text = field.conversion == 'x' ? fmt::format("{:x}", number) : fmt::format("{}", number);
      }
      if (field.plus && !text.starts_with('-')) text.insert(0, 1, '+');
      return text;
    default:
      throw RuntimeError(fmt::format("unsupported format character '%{}'", field.conversion));
  }
  if (field.precision) text.resize(byte_offset(text, static_cast<Index>(*field.precision)));
  return text;
}

}  // namespace

std::string percent_format(Evaluator& evaluator, std::string_view format, const List& values) {
  std::string out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < format.size();) {
    const std::size_t percent = std::min(format.find('%', at), format.size());
    out += format.substr(at, percent - at);
    at = percent;
    if (at == format.size()) break;
    ++at;
    if (at < format.size() && format[at] == '%') {
      out += '%';
      ++at;
      continue;
    }
    if (at < format.size() && format[at] == '(')
      throw RuntimeError("named values in a format are not supported");
    const Field field = read_field(format, at);
    if (next == values.size()) throw RuntimeError("not enough arguments for format string");
    std::string text = convert(evaluator, field, values[next++]);
    const auto length = static_cast<std::size_t>(symbol_count(text));
    if (length < field.width) {
      const std::size_t missing = field.width - length;
      const bool number = field.conversion != 's' && field.conversion != 'r';
      if (field.left) {
        text.append(missing, ' ');
      } else if (number && field.zeros) {
        text.insert(text.starts_with('-') || text.starts_with('+') ? 1 : 0, missing, '0');
      } else {
        text.insert(0, missing, ' ');
      }
    }
    evaluator.charge(text.size());
    out += text;
  }
  if (next < values.size())
    throw RuntimeError("not all arguments converted during string formatting");
  evaluator.charge(out.size());
  return out;
}

}  // namespace pith::jinja
