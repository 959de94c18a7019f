#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "text/jinja/merge_sort.h"
#include "text/jinja/value.h"
#include "text/utf8.h"

namespace pith::jinja {
namespace {

using Json = nlohmann::ordered_json;

void append_string(std::string& out, std::string_view text, bool ensure_ascii) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t symbol = next_symbol(text, at);
    switch (symbol) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (symbol >= 0x10000 && ensure_ascii) {
          const auto rest = static_cast<unsigned>(symbol - 0x10000);
          out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
        } else if (symbol < 0x20 || (symbol >= 0x7f && ensure_ascii && symbol != 0x7f)) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(symbol));
        } else {
          out += text.substr(begin, at - begin);
        }
    }
  }
  out += '"';
}

std::string json_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return number_text(value);
}

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  void write(const Value& value, int level) {
    if (level > kMaxNesting) throw RuntimeError("a value nests too deeply for tojson");
    switch (value.kind()) {
      case Kind::none:
        out += "null";
        return;
      case Kind::boolean:
        out += value.boolean() ? "true" : "false";
        return;
      case Kind::integer:
        out += fmt::format("{}", value.integer());
        return;
      case Kind::number:
        out += json_number(value.number());
        return;
      case Kind::string:
        append_string(out, value.string(), style_.ensure_ascii);
        return;
      case Kind::sequence:
        write_items('[', ']', value.sequence().items, level,
                    [&](const Value& item) { write(item, level + 1); });
        return;
      case Kind::dict:
        write_dict(value.dict(), level);
        return;
      default:
        throw RuntimeError(
            fmt::format("Object of type {} is not JSON serializable", type_name(value)));
    }
  }

  std::string out;

 private:
  template <typename Items, typename Write>
  void write_items(char open, char close, const Items& items, int level, Write write_item) {
    out += open;
    bool first = true;
    for (const auto& item : items) {
      if (!first) out += style_.item_separator;
      first = false;
      new_line(level + 1);
      write_item(item);
    }
    if (!items.empty()) new_line(level);
    out += close;
  }

  void new_line(int level) {
    if (!style_.indent) return;
    out += '\n';
    out.append(
        static_cast<std::size_t>(std::max(*style_.indent, 0)) * static_cast<std::size_t>(level),
        ' ');
  }

  void write_dict(const Dict& dict, int level) {
    auto items = dict.items();
    if (style_.sort_keys) {
      merge_sort(items, [](const auto& a, const auto& b) { return compare(a.first, b.first) < 0; });
    }
    write_items('{', '}', items, level, [&](const auto& item) {
      append_string(out, key_text(item.first), style_.ensure_ascii);
      out += style_.key_separator;
      write(item.second, level + 1);
    });
  }

  static std::string key_text(const Value& key) {
    if (key.is(Kind::string)) return key.string();
    if (key.is(Kind::none)) return "null";
    if (key.is(Kind::boolean)) return key.boolean() ? "true" : "false";
    if (key.is(Kind::number)) return json_number(key.number());
    if (key.is(Kind::integer)) return to_text(key);
    throw RuntimeError(
        fmt::format("keys must be str, int, float, bool or None, not {}", type_name(key)));
  }

  const JsonStyle& style_;
};

Value from_json(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_integer:
      return json.get<std::int64_t>();
    case Json::value_t::number_unsigned: {
      const auto number = json.get<std::uint64_t>();
      if (number > INT64_MAX)
        throw RuntimeError(fmt::format("the integer {} does not fit 64 bits with a sign", number));
      return static_cast<std::int64_t>(number);
    }
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      return json.get<std::string>();
    case Json::value_t::array: {
      List items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(from_json(item));
      return items;
    }
    case Json::value_t::object: {
      Dict dict;
      for (const auto& [key, item] : json.items()) dict.set(key, from_json(item));
      return dict;
    }
    default:
      return {};
  }
}

}  // namespace

std::string to_json(const Value& value, const JsonStyle& style) {
  Writer writer(style);
  writer.write(value, 0);
  return std::move(writer.out);
}

Value parse_json(std::string_view text) {
  const auto limit_depth = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxNesting)
      throw RuntimeError(fmt::format("JSON nests deeper than {} levels", kMaxNesting));
    return true;
  };
  try {
    return from_json(Json::parse(text, limit_depth));
  } catch (const Json::exception& error) {
    throw RuntimeError(error.what());
  }
}

}  // namespace pith::jinja
