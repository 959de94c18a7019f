#include "text/jinja/filters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "text/jinja/strings.h"

namespace pith::jinja {

std::string text_of(Evaluator& evaluator, const Value& value) {
  evaluator.spend(weight_of(value) / 4);
  return evaluator.text(value);
}

namespace {

PITH_FILTER(abs_filter) {
  Binder("abs", arguments).finish();
  require_defined(input);
  if (input.is(Kind::number)) return std::abs(input.number());
  if (!input.is_number())
    throw RuntimeError(fmt::format("bad operand type for abs(): '{}'", type_name(input)));
  if (input.integer() == INT64_MIN) throw RuntimeError("an integer does not fit 64 bits");
  evaluator.spend(1);
  return std::abs(input.integer());
}

PITH_FILTER(attr) {
  Binder bind("attr", arguments);
  const Value name = bind.required("name");
  bind.finish();
  if (!name.is(Kind::string)) throw RuntimeError("the name of an attribute must be a string");
  return evaluator.attribute(input, name.string());
}

PITH_FILTER(capitalize_filter) {
  Binder("capitalize", arguments).finish();
  return capitalize(text_of(evaluator, input));
}

PITH_FILTER(center) {
  Binder bind("center", arguments);
  const std::int64_t width = bind.integer("width", 80);
  bind.finish();
  const std::string text = text_of(evaluator, input);
  const std::int64_t missing = width - symbol_count(text);
  if (missing <= 0) return text;
  evaluator.charge(static_cast<std::size_t>(missing));
  // Python puts the odd space on the left when the width is odd.
  const auto left = static_cast<std::size_t>(missing / 2 + (missing & width & 1));
  std::string out(left, ' ');
  out += text;
  out.append(static_cast<std::size_t>(missing) - left, ' ');
  return out;
}

PITH_FILTER(count) { return filters::length(evaluator, input, arguments); }

PITH_FILTER(default_filter) {
  Binder bind("default", arguments);
  const Value* fallback = bind.optional("default_value");
  const bool also_false = bind.boolean("boolean", false);
  bind.finish();
  evaluator.spend(1);
  if (input.is(Kind::undefined) || (also_false && !truth(input)))
    return fallback ? *fallback : Value("");
  return input;
}

PITH_FILTER(format_filter) {
  if (!arguments.named.empty()) throw RuntimeError("format() with named values is not supported");
  return percent_format(evaluator, text_of(evaluator, input), arguments.positional);
}

PITH_FILTER(float_filter) {
  Binder bind("float", arguments);
  const Value* fallback = bind.optional("default");
  bind.finish();
  require_defined(input);
  if (input.is_number()) return input.number();
  if (input.is(Kind::string)) {
    std::string_view text = strip(input.string());
    evaluator.spend(text.size());
    if (text.starts_with('+')) text.remove_prefix(1);
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size() && !text.empty()) return number;
  }
  return fallback ? *fallback : Value(0.0);
}

PITH_FILTER(indent) {
  Binder bind("indent", arguments);
  const Value* width = bind.optional("width");
  const bool first = bind.boolean("first", false), blank = bind.boolean("blank", false);
  bind.finish();
  std::string margin = "    ";
  if (width != nullptr && width->is(Kind::string)) margin = width->string();
  if (width != nullptr && width->is(Kind::integer)) {
    const auto spaces = static_cast<std::size_t>(std::max<std::int64_t>(width->integer(), 0));
    evaluator.charge(spaces);
    margin = std::string(spaces, ' ');
  }
  const std::string text =
      text_of(evaluator, input) + "\n";  // Jinja's own trick: the line end below is dropped again
  const auto lines = split_lines(text, false);
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    const bool indented = i == 0 ? first : blank || !lines[i].empty();
    if (indented) evaluator.charge(margin.size());
    if (indented) out += margin;
    out += lines[i];
  }
  return out;
}

PITH_FILTER(int_filter) {
  Binder bind("int", arguments);
  const Value* fallback = bind.optional("default");
  const std::int64_t base = bind.integer("base", 10);
  bind.finish();
  require_defined(input);
  if (input.is(Kind::number)) {
    const double number = std::trunc(input.number());
    if (!(std::abs(number) < 9.2e18)) throw RuntimeError("a float does not fit a 64-bit integer");
    return static_cast<std::int64_t>(number);
  }
  if (input.is_number()) return input.integer();
  if (input.is(Kind::string)) {
    std::string_view text = strip(input.string());
    evaluator.spend(text.size());
    if (text.starts_with('+')) text.remove_prefix(1);
    std::int64_t number = 0;
    if (base < 2 || base > 36) throw RuntimeError("int() base must be between 2 and 36");
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, static_cast<int>(base));
    if (error == std::errc() && end == text.data() + text.size() && !text.empty()) return number;
    if (error == std::errc::result_out_of_range)
      throw RuntimeError("an integer does not fit 64 bits");
    double real = 0;
    const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), real);
    if (problem == std::errc() && stop == text.data() + text.size() && std::abs(real) < 9.2e18) {
      return static_cast<std::int64_t>(real);
    }
  }
  return fallback ? *fallback : Value(0);
}

PITH_FILTER(lower_filter) {
  Binder("lower", arguments).finish();
  return lower(text_of(evaluator, input));
}

PITH_FILTER(replace_filter) {
  Binder bind("replace", arguments);
  const std::string from = text_of(evaluator, bind.required("old")),
                    to = text_of(evaluator, bind.required("new"));
  const Value* limit = bind.optional("count");
  bind.finish();
  const Value whole(text_of(evaluator, input));
  Arguments call;
  call.positional = {Value(from), Value(to)};
  if (limit != nullptr && !limit->is(Kind::none)) call.positional.push_back(*limit);
  return evaluator.call(evaluator.attribute(whole, "replace"), call);
}

PITH_FILTER(round_filter) {
  Binder bind("round", arguments);
  const std::int64_t precision = bind.integer("precision", 0);
  const std::string method = bind.text("method", "common");
  bind.finish();
  require_defined(input);
  evaluator.spend(1);
  if (!input.is_number())
    throw RuntimeError(fmt::format("type {} has no rounding", type_name(input)));
  if (method == "common") {
    if (!input.is(Kind::number)) return input.integer();
    if (precision < -300 || precision > 300)
      throw RuntimeError("a precision from -300 to 300 was expected");
    if (precision < 0) {
      const double unit = std::pow(10.0, static_cast<double>(-precision));
      return std::nearbyint(input.number() / unit) * unit;
    }
    // By way of decimal text, because the nearest float to a product with 10^n is not the rounded
    // decimal.
    return std::strtod(fmt::format("{:.{}f}", input.number(), precision).c_str(), nullptr);
  }
  const double unit = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") return std::ceil(input.number() * unit) / unit;
  if (method == "floor") return std::floor(input.number() * unit) / unit;
  throw RuntimeError("method must be common, ceil or floor");
}

PITH_FILTER(string_filter) {
  Binder("string", arguments).finish();
  return evaluator.text(input);
}

PITH_FILTER(safe) {  // nothing is escaped here, so nothing has to be marked
  Binder("safe", arguments).finish();
  evaluator.spend(1);
  return input;
}

PITH_FILTER(title_filter) {
  Binder("title", arguments).finish();
  return title_words(text_of(evaluator, input));
}

PITH_FILTER(tojson) {
  Binder bind("tojson", arguments);
  JsonStyle style;
  style.ensure_ascii = bind.boolean("ensure_ascii", false);
  const Value* indent = bind.optional("indent");
  const Value* separators = bind.optional("separators");
  style.sort_keys = bind.boolean("sort_keys", false);
  bind.finish();
  if (indent != nullptr && indent->is(Kind::integer)) {
    if (indent->integer() > 64) throw RuntimeError("an indent of at most 64 was expected");
    style.indent = static_cast<int>(std::max<std::int64_t>(indent->integer(), 0));
    style.item_separator.resize(1);  // without the space, as Python does
  }
  if (separators != nullptr && !separators->is(Kind::none)) {
    const auto pair = evaluator.iterate(*separators);
    if (pair->size() != 2 || !(*pair)[0].is(Kind::string) || !(*pair)[1].is(Kind::string)) {
      throw RuntimeError("separators must be two strings");
    }
    style.item_separator = (*pair)[0].string();
    style.key_separator = (*pair)[1].string();
  }
  require_defined(input);
  // Each value takes at most: its escapes, its indentation and both separators. 16 is the least
  // weight of a value.
  const std::size_t margin = static_cast<std::size_t>(style.indent.value_or(0) * depth_of(input)) +
                             style.item_separator.size() + style.key_separator.size();
  const std::size_t weight = weight_of(input);
  evaluator.spend(weight / 4);
  for (std::size_t i = 0; i < margin / 16 + 1; ++i) evaluator.charge(weight);
  return to_json(input, style);
}

PITH_FILTER(trim) {
  Binder bind("trim", arguments);
  const Value* symbols = bind.optional("chars");
  bind.finish();
  const std::string text = text_of(evaluator, input);
  if (symbols == nullptr || symbols->is(Kind::none)) return strip(text);
  return strip(text, text_of(evaluator, *symbols), Side::both);
}

PITH_FILTER(truncate) {
  Binder bind("truncate", arguments);
  const std::int64_t length = bind.integer("length", 255);
  const bool kill_words = bind.boolean("killwords", false);
  const std::string end = bind.text("end", "...");
  const std::int64_t leeway = bind.integer("leeway", 5);
  bind.finish();
  const std::string text = text_of(evaluator, input);
  if (length < symbol_count(end) || leeway < 0 || length > (std::int64_t{1} << 40))
    throw RuntimeError("truncate() got an impossible length");
  if (symbol_count(text) <= length + std::min<std::int64_t>(leeway, 1 << 30)) return text;
  std::string kept = text.substr(0, byte_offset(text, length - symbol_count(end)));
  if (!kill_words) kept = kept.substr(0, kept.rfind(' '));
  return kept + end;
}

PITH_FILTER(upper_filter) {
  Binder("upper", arguments).finish();
  return upper(text_of(evaluator, input));
}

PITH_FILTER(wordcount) {
  Binder("wordcount", arguments).finish();
  return static_cast<std::int64_t>(split(text_of(evaluator, input), -1, Side::left).size());
}

using filters::batch, filters::dictsort, filters::first, filters::groupby, filters::items,
    filters::join, filters::last, filters::length, filters::list, filters::reject,
    filters::rejectattr, filters::reverse, filters::select, filters::selectattr, filters::slice,
    filters::sort, filters::unique;

constexpr std::array kFilters = {
    NamedFunction<Filter>{"abs", abs_filter},
    NamedFunction<Filter>{"attr", attr},
    NamedFunction<Filter>{"batch", batch},
    NamedFunction<Filter>{"capitalize", capitalize_filter},
    NamedFunction<Filter>{"center", center},
    NamedFunction<Filter>{"count", count},
    NamedFunction<Filter>{"d", default_filter},
    NamedFunction<Filter>{"default", default_filter},
    NamedFunction<Filter>{"dictsort", dictsort},
    NamedFunction<Filter>{"first", first},
    NamedFunction<Filter>{"float", float_filter},
    NamedFunction<Filter>{"format", format_filter},
    NamedFunction<Filter>{"groupby", groupby},
    NamedFunction<Filter>{"indent", indent},
    NamedFunction<Filter>{"int", int_filter},
    NamedFunction<Filter>{"items", items},
    NamedFunction<Filter>{"join", join},
    NamedFunction<Filter>{"last", last},
    NamedFunction<Filter>{"length", length},
    NamedFunction<Filter>{"list", list},
    NamedFunction<Filter>{"lower", lower_filter},
    NamedFunction<Filter>{"map", filters::map},
    NamedFunction<Filter>{"max", filters::max},
    NamedFunction<Filter>{"min", filters::min},
    NamedFunction<Filter>{"reject", reject},
    NamedFunction<Filter>{"rejectattr", rejectattr},
    NamedFunction<Filter>{"replace", replace_filter},
    NamedFunction<Filter>{"reverse", reverse},
    NamedFunction<Filter>{"round", round_filter},
    NamedFunction<Filter>{"safe", safe},
    NamedFunction<Filter>{"select", select},
    NamedFunction<Filter>{"selectattr", selectattr},
    NamedFunction<Filter>{"slice", slice},
    NamedFunction<Filter>{"sort", sort},
    NamedFunction<Filter>{"string", string_filter},
    NamedFunction<Filter>{"sum", filters::sum},
    NamedFunction<Filter>{"title", title_filter},
    NamedFunction<Filter>{"tojson", tojson},
    NamedFunction<Filter>{"trim", trim},
    NamedFunction<Filter>{"truncate", truncate},
    NamedFunction<Filter>{"unique", unique},
    NamedFunction<Filter>{"upper", upper_filter},
    NamedFunction<Filter>{"wordcount", wordcount},
};

}  // namespace

Filter find_filter(std::string_view name) {
  const auto found = std::find_if(kFilters.begin(), kFilters.end(),
                                  [&](const auto& entry) { return entry.name == name; });
  return found == kFilters.end() ? nullptr : found->function;
}

std::string filter_names() {
  std::string names;
  for (const auto& entry : kFilters)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", entry.name);
  return names;
}

}  // namespace pith::jinja
