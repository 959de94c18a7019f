#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>

#include "text/jinja/filters.h"
#include "text/jinja/merge_sort.h"
#include "text/jinja/strings.h"

namespace pith::jinja {

Value follow_path(Evaluator& evaluator, Value value, std::string_view path, const Value* fallback) {
  for (const std::string_view part : split(path, ".", -1, Side::left)) {
    std::int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = error == std::errc() && end == part.data() + part.size();
    value = evaluator.subscript(value, is_index ? Value(index) : Value(part));
    if (value.is(Kind::undefined) && fallback != nullptr) value = *fallback;
  }
  return value;
}

std::string join_texts(Evaluator& evaluator, const List& items, std::string_view separator,
                       std::string_view path) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) evaluator.charge(separator.size());
    if (i > 0) out += separator;
    out += evaluator.text(path.empty() ? items[i] : follow_path(evaluator, items[i], path));
  }
  return out;
}

namespace {

// What sort, unique, min, max and groupby compare by: the attribute, in lower case unless case
// counts.
Value sort_key(Evaluator& evaluator, const Value& item, const std::string& path,
               bool case_sensitive) {
  Value key = path.empty() ? item : follow_path(evaluator, item, path);
  if (case_sensitive || !key.is(Kind::string)) return key;
  return lower(text_of(evaluator, key));
}

struct Keyed {
  Value key, item;
};

std::vector<Keyed> keyed(Evaluator& evaluator, const Value& input, const std::string& path,
                         bool case_sensitive) {
  std::vector<Keyed> out;
  const auto sequence = evaluator.iterate(input);
  for (const Value& item : *sequence) {
    out.push_back({sort_key(evaluator, item, path, case_sensitive), item});
  }
  evaluator.charge(out.size() * sizeof(Keyed));
  return out;
}

void sort_keyed(Evaluator& evaluator, std::vector<Keyed>& items, bool reverse) {
  const std::size_t rounds = std::bit_width(items.size());
  for (const Keyed& one : items) evaluator.spend(rounds * (1 + weight_of(one.key) / 64));
  merge_sort(items, [&](const Keyed& a, const Keyed& b) {
    const int order = compare(a.key, b.key);
    return reverse ? order > 0 : order < 0;
  });
}

Value values_of(std::vector<Keyed> items) {
  List out;
  for (Keyed& one : items) out.push_back(std::move(one.item));
  return out;
}

Value extreme(Evaluator& evaluator, const Value& input, const Arguments& arguments, bool largest) {
  Binder bind(largest ? "max" : "min", arguments);
  const bool case_sensitive = bind.boolean("case_sensitive", false);
  const std::string path = bind.text("attribute", "");
  bind.finish();
  const auto items = keyed(evaluator, input, path, case_sensitive);
  if (items.empty()) return Undefined{"No aggregated item, sequence was empty."};
  const Keyed* best = &items[0];
  for (const Keyed& one : items) {
    evaluator.spend(1 + weight_of(one.key) / 64);
    const int order = compare(one.key, best->key);
    if (largest ? order > 0 : order < 0) best = &one;
  }
  return best->item;
}

// select, reject, selectattr and rejectattr: keeps the items whose test, or truth, is `wanted`.
Value choose(Evaluator& evaluator, const Value& input, const Arguments& arguments,
             bool by_attribute, bool wanted) {
  Arguments rest = arguments;
  std::string path;
  const auto shift = [&](std::string_view what) {
    if (rest.positional.empty() || !rest.positional[0].is(Kind::string)) {
      throw RuntimeError(fmt::format("the name of {} was expected", what));
    }
    std::string name = rest.positional[0].string();
    rest.positional.erase(rest.positional.begin());
    return name;
  };
  if (by_attribute) path = shift("an attribute");
  Test test = nullptr;
  if (!rest.positional.empty()) {
    const std::string name = shift("a test");
    test = find_test(name);
    if (test == nullptr) throw RuntimeError(fmt::format("No test named '{}'.", name));
  }
  List out;
  const auto sequence = evaluator.iterate(input);
  for (const Value& item : *sequence) {
    evaluator.spend(2);
    const Value subject = by_attribute ? follow_path(evaluator, item, path) : item;
    const bool holds = test ? test(evaluator, subject, rest) : truth(subject);
    if (holds == wanted) out.push_back(item);
  }
  evaluator.charge(out.size() * sizeof(Value));
  return out;
}

std::size_t positive(std::int64_t number, std::string_view what) {
  if (number < 1) throw RuntimeError(fmt::format("{} must be positive", what));
  return static_cast<std::size_t>(number);
}

}  // namespace

namespace filters {

PITH_FILTER(batch) {
  Binder bind("batch", arguments);
  const Value size = bind.required("linecount");
  const Value* fill = bind.optional("fill_with");
  bind.finish();
  if (!size.is(Kind::integer)) throw RuntimeError("batch() needs an integer");
  const std::size_t width = positive(size.integer(), "linecount");
  List out, row;
  const auto items = evaluator.iterate(input);
  evaluator.charge(items->size() * 2 * sizeof(Value));
  for (const Value& item : *items) {
    if (row.size() == width) out.emplace_back(std::exchange(row, {}));
    row.push_back(item);
  }
  if (row.empty()) return out;
  if (fill != nullptr && !fill->is(Kind::none)) {
    const std::size_t missing = width - row.size();
    evaluator.charge(missing > SIZE_MAX / sizeof(Value) ? SIZE_MAX : missing * sizeof(Value));
    row.insert(row.end(), missing, *fill);
  }
  out.emplace_back(std::move(row));
  return out;
}

PITH_FILTER(dictsort) {
  Binder bind("dictsort", arguments);
  const bool case_sensitive = bind.boolean("case_sensitive", false);
  const std::string by = bind.text("by", "key");
  const bool reverse = bind.boolean("reverse", false);
  bind.finish();
  require_defined(input);
  if (!input.is(Kind::dict)) throw RuntimeError("dictsort() needs a mapping");
  if (by != "key" && by != "value")
    throw RuntimeError("You can only sort by either \"key\" or \"value\"");
  std::vector<Keyed> pairs;
  for (const auto& [key, value] : input.dict().items()) {
    pairs.push_back({sort_key(evaluator, by == "key" ? key : value, "", case_sensitive),
                     Value(List{key, value}, true)});
  }
  evaluator.charge(pairs.size() * 4 * sizeof(Value));
  sort_keyed(evaluator, pairs, reverse);
  return values_of(std::move(pairs));
}

PITH_FILTER(first) {
  Binder("first", arguments).finish();
  const auto sequence = evaluator.iterate(input);
  if (sequence->empty()) return Undefined{"No first item, sequence was empty."};
  return sequence->front();
}

PITH_FILTER(groupby) {
  Binder bind("groupby", arguments);
  const std::string path = bind.text("attribute", "");
  const Value* fallback = bind.optional("default");
  const bool case_sensitive = bind.boolean("case_sensitive", false);
  bind.finish();
  std::vector<Keyed> sorted;
  const auto sequence = evaluator.iterate(input);
  for (const Value& item : *sequence) {
    Value key = follow_path(evaluator, item, path, fallback);
    if (!case_sensitive && key.is(Kind::string)) key = lower(text_of(evaluator, key));
    sorted.push_back({key, item});
  }
  evaluator.charge(sorted.size() * 4 * sizeof(Value));
  sort_keyed(evaluator, sorted, false);
  List groups;
  for (std::size_t begin = 0; begin < sorted.size();) {
    List members;
    std::size_t end = begin;
    for (; end < sorted.size() && evaluator.is_equal(sorted[end].key, sorted[begin].key); ++end)
      members.push_back(sorted[end].item);
    // The group's name is the first member's own value, not the lower-case key.
    const Value name = follow_path(evaluator, sorted[begin].item, path, fallback);
    groups.emplace_back(List{name, Value(std::move(members))}, true);
    begin = end;
  }
  return groups;
}

PITH_FILTER(items) {
  Binder("items", arguments).finish();
  if (input.is(Kind::undefined)) return List{};
  if (!input.is(Kind::dict)) throw RuntimeError("Can only get item pairs from a mapping.");
  return evaluator.call(find_method(input, "items"), {});
}

PITH_FILTER(join) {
  Binder bind("join", arguments);
  const std::string separator = bind.text("d", ""), path = bind.text("attribute", "");
  bind.finish();
  return join_texts(evaluator, *evaluator.iterate(input), separator, path);
}

PITH_FILTER(last) {
  Binder("last", arguments).finish();
  if (input.is(Kind::dict) && input.dict().size() > 0) return input.dict().items().back().first;
  const auto sequence = evaluator.iterate(input);
  if (sequence->empty()) return Undefined{"No last item, sequence was empty."};
  return sequence->back();
}

PITH_FILTER(length) {
  Binder("length", arguments).finish();
  switch (input.kind()) {
    case Kind::undefined:
      return 0;
    case Kind::string:
      evaluator.spend(input.string().size() / 16);
      return symbol_count(input.string());
    case Kind::sequence:
      return static_cast<std::int64_t>(input.sequence().items.size());
    case Kind::dict:
      return static_cast<std::int64_t>(input.dict().size());
    case Kind::loop:
      return static_cast<std::int64_t>(input.loop().items->size());
    default:
      throw RuntimeError(fmt::format("object of type '{}' has no len()", type_name(input)));
  }
}

PITH_FILTER(list) {
  Binder("list", arguments).finish();
  const auto sequence = evaluator.iterate(input);
  evaluator.charge(sequence->size() * sizeof(Value));
  return *sequence;
}

PITH_FILTER(map) {
  Arguments rest = arguments;
  const auto is_attribute = [](const auto& pair) { return pair.first == "attribute"; };
  const auto attribute = std::find_if(rest.named.begin(), rest.named.end(), is_attribute);
  const auto sequence = evaluator.iterate(input);
  evaluator.charge(sequence->size() * sizeof(Value));
  List out;
  if (rest.positional.empty() && attribute != rest.named.end()) {
    rest.named.erase(std::remove_if(rest.named.begin(), rest.named.end(), is_attribute),
                     rest.named.end());
    Binder bind("map", rest);
    const Value* fallback = bind.optional("default");
    bind.finish();
    const std::string path =
        text_of(evaluator,
                std::find_if(arguments.named.begin(), arguments.named.end(), is_attribute)->second);
    for (const Value& item : *sequence) out.push_back(follow_path(evaluator, item, path, fallback));
    return out;
  }
  if (rest.positional.empty() || !rest.positional[0].is(Kind::string))
    throw RuntimeError("map requires a filter argument");
  const std::string name = rest.positional[0].string();
  rest.positional.erase(rest.positional.begin());
  const Filter filter = find_filter(name);
  if (filter == nullptr) throw RuntimeError(fmt::format("No filter named '{}'.", name));
  for (const Value& item : *sequence) {
    evaluator.spend(1);
    out.push_back(filter(evaluator, item, rest));
  }
  return out;
}

PITH_FILTER(max) { return extreme(evaluator, input, arguments, true); }
PITH_FILTER(min) { return extreme(evaluator, input, arguments, false); }
PITH_FILTER(reject) { return choose(evaluator, input, arguments, false, false); }
PITH_FILTER(rejectattr) { return choose(evaluator, input, arguments, true, false); }
PITH_FILTER(select) { return choose(evaluator, input, arguments, false, true); }
PITH_FILTER(selectattr) { return choose(evaluator, input, arguments, true, true); }

PITH_FILTER(reverse) {
  Binder("reverse", arguments).finish();
  require_defined(input);
  List reversed = *evaluator.iterate(input);
  evaluator.charge(reversed.size() * sizeof(Value));
  std::reverse(reversed.begin(), reversed.end());
  if (!input.is(Kind::string)) return reversed;
  return join_texts(evaluator, reversed, "", "");
}

PITH_FILTER(slice) {
  Binder bind("slice", arguments);
  const Value count = bind.required("slices");
  const Value* fill = bind.optional("fill_with");
  bind.finish();
  if (!count.is(Kind::integer)) throw RuntimeError("slice() needs an integer");
  const std::size_t slices = positive(count.integer(), "slices");
  evaluator.charge(slices > (std::size_t{1} << 40) ? SIZE_MAX : slices * 64);
  const auto sequence = evaluator.iterate(input);
  evaluator.charge(sequence->size() * sizeof(Value));
  const std::size_t each = sequence->size() / slices, longer = sequence->size() % slices;
  List out;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < slices; ++i) {
    const std::size_t end = begin + each + (i < longer ? 1 : 0);
    List part(sequence->begin() + static_cast<std::ptrdiff_t>(begin),
              sequence->begin() + static_cast<std::ptrdiff_t>(end));
    if (fill != nullptr && !fill->is(Kind::none) && i >= longer) part.push_back(*fill);
    out.emplace_back(std::move(part));
    begin = end;
  }
  return out;
}

PITH_FILTER(sort) {
  Binder bind("sort", arguments);
  const bool reverse = bind.boolean("reverse", false),
             case_sensitive = bind.boolean("case_sensitive", false);
  const std::string path = bind.text("attribute", "");
  bind.finish();
  if (path.find(',') != std::string::npos)
    throw RuntimeError("sorting by several attributes is not supported");
  auto sorted = keyed(evaluator, input, path, case_sensitive);
  sort_keyed(evaluator, sorted, reverse);
  return values_of(std::move(sorted));
}

PITH_FILTER(sum) {
  Binder bind("sum", arguments);
  const std::string path = bind.text("attribute", "");
  const Value* start = bind.optional("start");
  bind.finish();
  Value total = start != nullptr ? *start : Value(0);
  const auto sequence = evaluator.iterate(input);
  for (const Value& item : *sequence) {
    if (total.is(Kind::string)) throw RuntimeError("sum() can't sum strings");
    total = evaluator.add(total, path.empty() ? item : follow_path(evaluator, item, path));
  }
  return total;
}

PITH_FILTER(unique) {
  Binder bind("unique", arguments);
  const bool case_sensitive = bind.boolean("case_sensitive", false);
  const std::string path = bind.text("attribute", "");
  bind.finish();
  Dict seen;
  List out;
  for (const Keyed& one : keyed(evaluator, input, path, case_sensitive)) {
    evaluator.spend(weight_of(one.key) / 16);
    evaluator.charge(weight_of(one.key));
    if (seen.find(one.key) != nullptr) continue;
    seen.set(one.key, {});
    out.push_back(one.item);
  }
  return out;
}

}  // namespace filters
}  // namespace pith::jinja
