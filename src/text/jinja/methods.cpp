#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/jinja/filters.h"
#include "text/jinja/strings.h"
#include "text/utf8.h"

namespace pith::jinja {
namespace {

using Method = Value (*)(Evaluator&, const Value& self, const Arguments&);
#define PITH_METHOD(name) \
  Value name([[maybe_unused]] Evaluator& evaluator, const Value& self, const Arguments& arguments)

// Strings. find_method has spent the cost of looking at `self` once.

const std::string& expect_string(const Value& value, std::string_view what) {
  require_defined(value);
  if (!value.is(Kind::string))
    throw RuntimeError(fmt::format("{} must be str, not {}", what, type_name(value)));
  return value.string();
}

template <std::string (*function)(std::string_view)>
PITH_METHOD(map_text) {
  Binder("a method", arguments).finish();
  return function(self.string());
}

template <SymbolClass wanted>
PITH_METHOD(is_class) {
  Binder("a method", arguments).finish();
  return all_of_class(self.string(), wanted);
}

template <Side side>
PITH_METHOD(strip_text) {
  Binder bind("strip", arguments);
  const Value* symbols = bind.optional("chars");
  bind.finish();
  if (symbols == nullptr || symbols->is(Kind::none)) return strip(self.string(), side);
  return strip(self.string(), expect_string(*symbols, "strip's argument"), side);
}

template <Side from>
PITH_METHOD(split_text) {
  Binder bind("split", arguments);
  const Value* separator = bind.optional("sep");
  const std::int64_t limit = bind.integer("maxsplit", -1);
  bind.finish();
  const std::string& whole = self.string();
  std::vector<std::string_view> parts;
  if (separator == nullptr || separator->is(Kind::none)) {
    parts = split(whole, limit, from);
  } else {
    if (expect_string(*separator, "the separator").empty()) throw RuntimeError("empty separator");
    parts = split(whole, separator->string(), limit, from);
  }
  evaluator.charge(parts.size() * (sizeof(Value) + sizeof(std::string) + 16) + whole.size());
  List out;
  for (const auto part : parts) out.emplace_back(part);
  return out;
}

template <bool at_end>
PITH_METHOD(has_affix) {
  Binder bind(at_end ? "endswith" : "startswith", arguments);
  const Value affixes = bind.required("prefix");
  bind.finish();
  const List choices = affixes.is(Kind::sequence) ? affixes.sequence().items : List{affixes};
  evaluator.spend(choices.size());
  return std::any_of(choices.begin(), choices.end(), [&](const Value& affix) {
    const std::string& text = expect_string(affix, "a prefix or suffix");
    return at_end ? self.string().ends_with(text) : self.string().starts_with(text);
  });
}

template <bool at_end>
PITH_METHOD(remove_affix) {
  Binder bind(at_end ? "removesuffix" : "removeprefix", arguments);
  const std::string affix = expect_string(bind.required("affix"), "the affix");
  bind.finish();
  std::string_view text = self.string();
  if (at_end && text.ends_with(affix)) text.remove_suffix(affix.size());
  if (!at_end && text.starts_with(affix)) text.remove_prefix(affix.size());
  return text;
}

// find and index: symbols up to the match.
template <bool last, bool must_exist>
PITH_METHOD(find_text) {
  Binder bind("find", arguments);
  const std::string wanted = expect_string(bind.required("sub"), "the searched text");
  bind.finish();
  const std::string& whole = self.string();
  const std::size_t at = last ? whole.rfind(wanted) : whole.find(wanted);
  if (at == std::string::npos && must_exist) throw RuntimeError("substring not found");
  return at == std::string::npos ? Value(-1)
                                 : Value(symbol_count(std::string_view(whole).substr(0, at)));
}

Index occurrences(std::string_view whole, std::string_view wanted) {
  if (wanted.empty()) return symbol_count(whole) + 1;
  Index count = 0;
  for (std::size_t at = 0; (at = whole.find(wanted, at)) != std::string_view::npos;
       at += wanted.size())
    ++count;
  return count;
}

PITH_METHOD(count_text) {
  Binder bind("count", arguments);
  const std::string wanted = expect_string(bind.required("sub"), "the counted text");
  bind.finish();
  return occurrences(self.string(), wanted);
}

PITH_METHOD(replace_text) {
  Binder bind("replace", arguments);
  const std::string from = expect_string(bind.required("old"), "the replaced text");
  const std::string to = expect_string(bind.required("new"), "the replacement");
  const std::int64_t limit = bind.integer("count", -1);
  bind.finish();
  const auto count = static_cast<std::size_t>(occurrences(self.string(), from));
  if (to.size() > 0 && count > (std::size_t{1} << 40) / to.size()) evaluator.charge(SIZE_MAX);
  evaluator.charge(self.string().size() + count * to.size());
  return replace(self.string(), from, to, limit);
}

PITH_METHOD(join_text) {
  Binder bind("join", arguments);
  const Value items = bind.required("iterable");
  bind.finish();
  require_defined(items);
  const auto sequence = evaluator.iterate(items);
  for (const Value& item : *sequence) expect_string(item, "a joined item");
  return join_texts(evaluator, *sequence, self.string(), "");
}

PITH_METHOD(splitlines) {
  Binder bind("splitlines", arguments);
  const bool keep_ends = bind.boolean("keepends", false);
  bind.finish();
  const auto lines = split_lines(self.string(), keep_ends);
  evaluator.charge(lines.size() * (sizeof(Value) + sizeof(std::string) + 16) +
                   self.string().size());
  List out;
  for (const auto line : lines) out.emplace_back(line);
  return out;
}

template <bool last>
PITH_METHOD(partition) {
  Binder bind("partition", arguments);
  const std::string separator = expect_string(bind.required("sep"), "the separator");
  bind.finish();
  if (separator.empty()) throw RuntimeError("empty separator");
  const std::string& whole = self.string();
  evaluator.charge(whole.size());
  const std::size_t at = last ? whole.rfind(separator) : whole.find(separator);
  if (at == std::string::npos)
    return last ? Value(List{"", "", self}, true) : Value(List{self, "", ""}, true);
  return Value(List{whole.substr(0, at), separator, whole.substr(at + separator.size())}, true);
}

template <Side side>
PITH_METHOD(pad) {  // ljust and rjust
  Binder bind("just", arguments);
  const Value width = bind.required("width");
  const std::string fill = bind.text("fillchar", " ");
  bind.finish();
  if (!width.is(Kind::integer) || symbol_count(fill) != 1)
    throw RuntimeError("a width and one fill character were expected");
  std::string padding;
  for (std::int64_t missing = width.integer() - symbol_count(self.string()); missing > 0;
       --missing) {
    evaluator.charge(fill.size());
    padding += fill;
  }
  return side == Side::left ? self.string() + padding : padding + self.string();
}

PITH_METHOD(zfill) {
  Binder bind("zfill", arguments);
  const Value width = bind.required("width");
  bind.finish();
  if (!width.is(Kind::integer)) throw RuntimeError("zfill needs an integer");
  const std::int64_t missing = width.integer() - symbol_count(self.string());
  if (missing <= 0) return self;
  evaluator.charge(static_cast<std::size_t>(missing));
  std::string out = self.string();
  const bool sign = out.starts_with('-') || out.starts_with('+');
  return out.insert(sign ? 1 : 0, static_cast<std::size_t>(missing), '0');
}

// Lists and tuples.

PITH_METHOD(count_items) {
  Binder bind("count", arguments);
  const Value wanted = bind.required("value");
  bind.finish();
  const List& items = self.sequence().items;
  evaluator.spend(items.size());
  return static_cast<std::int64_t>(
      std::count_if(items.begin(), items.end(),
                    [&](const Value& item) { return evaluator.is_equal(item, wanted); }));
}

PITH_METHOD(index_of_item) {
  Binder bind("index", arguments);
  const Value wanted = bind.required("value");
  bind.finish();
  const List& items = self.sequence().items;
  evaluator.spend(items.size());
  const auto found = std::find_if(items.begin(), items.end(), [&](const Value& item) {
    return evaluator.is_equal(item, wanted);
  });
  if (found == items.end()) throw RuntimeError("the value is not in the list");
  return static_cast<std::int64_t>(found - items.begin());
}

// Dictionaries.

template <bool with_keys, bool with_values>
PITH_METHOD(dict_view) {
  Binder("a view of a dict", arguments).finish();
  evaluator.charge(self.dict().size() * sizeof(Value) * (with_keys && with_values ? 4 : 1));
  List out;
  for (const auto& [key, value] : self.dict().items()) {
    if (with_keys && with_values) out.emplace_back(List{key, value}, true);
    if (with_keys != with_values) out.push_back(with_keys ? key : value);
  }
  return out;
}

PITH_METHOD(dict_get) {
  Binder bind("get", arguments);
  const Value key = bind.required("key");
  const Value* fallback = bind.optional("default");
  bind.finish();
  evaluator.spend(weight_of(key) / 16);
  if (const Value* found = self.dict().find(key)) return *found;
  return fallback ? *fallback : Value();
}

PITH_METHOD(copy) {
  Binder("copy", arguments).finish();
  return self;  // values never change, so a copy needs no second object
}

// The loop.

PITH_METHOD(cycle) {
  if (arguments.positional.empty()) throw RuntimeError("no items for cycling given");
  return arguments.positional[self.loop().index % arguments.positional.size()];
}

PITH_METHOD(changed) {
  Loop& loop = self.loop();
  const bool same =
      loop.changed_before && loop.last_changed.size() == arguments.positional.size() &&
      std::equal(arguments.positional.begin(), arguments.positional.end(),
                 loop.last_changed.begin(),
                 [&](const Value& a, const Value& b) { return evaluator.is_equal(a, b); });
  loop.changed_before = true;
  if (!same) loop.last_changed = arguments.positional;
  return !same;
}

constexpr std::array kStringMethods = {
    NamedFunction<Method>{"capitalize", map_text<capitalize>},
    NamedFunction<Method>{"count", count_text},
    NamedFunction<Method>{"endswith", has_affix<true>},
    NamedFunction<Method>{"find", find_text<false, false>},
    NamedFunction<Method>{"index", find_text<false, true>},
    NamedFunction<Method>{"isalnum", is_class<SymbolClass::alnum>},
    NamedFunction<Method>{"isalpha", is_class<SymbolClass::alpha>},
    NamedFunction<Method>{"isdigit", is_class<SymbolClass::digit>},
    NamedFunction<Method>{"islower", is_class<SymbolClass::lower>},
    NamedFunction<Method>{"isspace", is_class<SymbolClass::space>},
    NamedFunction<Method>{"isupper", is_class<SymbolClass::upper>},
    NamedFunction<Method>{"join", join_text},
    NamedFunction<Method>{"ljust", pad<Side::left>},
    NamedFunction<Method>{"lower", map_text<lower>},
    NamedFunction<Method>{"lstrip", strip_text<Side::left>},
    NamedFunction<Method>{"partition", partition<false>},
    NamedFunction<Method>{"removeprefix", remove_affix<false>},
    NamedFunction<Method>{"removesuffix", remove_affix<true>},
    NamedFunction<Method>{"replace", replace_text},
    NamedFunction<Method>{"rfind", find_text<true, false>},
    NamedFunction<Method>{"rindex", find_text<true, true>},
    NamedFunction<Method>{"rjust", pad<Side::right>},
    NamedFunction<Method>{"rpartition", partition<true>},
    NamedFunction<Method>{"rsplit", split_text<Side::right>},
    NamedFunction<Method>{"rstrip", strip_text<Side::right>},
    NamedFunction<Method>{"split", split_text<Side::left>},
    NamedFunction<Method>{"splitlines", splitlines},
    NamedFunction<Method>{"startswith", has_affix<false>},
    NamedFunction<Method>{"strip", strip_text<Side::both>},
    NamedFunction<Method>{"title", map_text<title>},
    NamedFunction<Method>{"upper", map_text<upper>},
    NamedFunction<Method>{"zfill", zfill},
};
constexpr std::array kSequenceMethods = {
    NamedFunction<Method>{"copy", copy},
    NamedFunction<Method>{"count", count_items},
    NamedFunction<Method>{"index", index_of_item},
};
constexpr std::array kDictMethods = {
    NamedFunction<Method>{"copy", copy},
    NamedFunction<Method>{"get", dict_get},
    NamedFunction<Method>{"items", dict_view<true, true>},
    NamedFunction<Method>{"keys", dict_view<true, false>},
    NamedFunction<Method>{"values", dict_view<false, true>},
};
constexpr std::array kLoopMethods = {
    NamedFunction<Method>{"changed", changed},
    NamedFunction<Method>{"cycle", cycle},
};

template <typename Table>
Value bind(const Table& table, const Value& self, std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const auto& entry) { return entry.name == name; });
  if (found == table.end()) return Undefined{};
  auto callable = std::make_shared<Callable>();
  callable->name = std::string(name);
  callable->depth = depth_around({self});
  callable->call = [self, method = found->function](Evaluator& evaluator,
                                                    const Arguments& arguments) {
    // What looking at strings costs; the methods of other types spend for themselves.
    if (self.is(Kind::string)) evaluator.spend(self.string().size() / 4);
    Value result = method(evaluator, self, arguments);
    if (result.is(Kind::string)) evaluator.charge(result.string().size());
    return result;
  };
  return Value(std::shared_ptr<const Callable>(std::move(callable)));
}

}  // namespace

Value find_method(const Value& object, std::string_view name) {
  switch (object.kind()) {
    case Kind::string:
      return bind(kStringMethods, object, name);
    case Kind::sequence:
      return bind(kSequenceMethods, object, name);
    case Kind::dict:
      return bind(kDictMethods, object, name);
    case Kind::loop:
      return bind(kLoopMethods, object, name);
    default:
      return Undefined{};
  }
}

}  // namespace pith::jinja
