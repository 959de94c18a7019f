#include "text/jinja/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "text/utf8.h"

namespace pith::jinja {
namespace {

std::string code_of_text(std::string_view text) {
  std::string code("s");
  code.append(text);
  return code;
}

// A key as text such that equal keys have equal codes.
std::string code_of(const Value& key) {
  if (key.is(Kind::string)) return code_of_text(key.string());
  if (key.is(Kind::none)) return "n";
  if (key.is(Kind::number) && std::trunc(key.number()) != key.number())
    return fmt::format("f{}", key.number());
  if (key.is(Kind::number)) return fmt::format("i{:.0f}", key.number());
  if (key.is_number()) return fmt::format("i{}", key.integer());
  if (key.is(Kind::sequence) && key.sequence().tuple) {
    std::string code = "t";
    for (const Value& item : key.sequence().items) {
      const std::string part = code_of(item);
      code += fmt::format("{}:{}", part.size(), part);
    }
    return code;
  }
  throw RuntimeError(fmt::format("unhashable type: '{}'", type_name(key)));
}

void check_nesting(int nesting) {
  if (nesting > kMaxNesting) throw RuntimeError("a value nests too deeply");
}

void append_text(std::string& out, const Value& value, bool quoted, int nesting);

// Python's repr of a string: single quotes unless that would need an escape which double quotes do
// not.
void append_quoted(std::string& out, std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t symbol = next_symbol(text, at);
    if (symbol == '\n') {
      out += "\\n";
    } else if (symbol == '\r') {
      out += "\\r";
    } else if (symbol == '\t') {
      out += "\\t";
    } else if (symbol == '\\' || symbol == static_cast<char32_t>(quote)) {
      out += '\\';
      out += static_cast<char>(symbol);
    } else if (symbol < 0x20 || (symbol >= 0x7f && symbol <= 0xa0) || symbol == 0xad) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(symbol));
    } else {
      out += text.substr(begin, at - begin);
    }
  }
  out += quote;
}

void append_dict(std::string& out, const Dict& dict, int nesting) {
  out += '{';
  bool first = true;
  for (const auto& [key, item] : dict.items()) {
    if (!first) out += ", ";
    first = false;
    append_text(out, key, true, nesting + 1);
    out += ": ";
    append_text(out, item, true, nesting + 1);
  }
  out += '}';
}

void append_text(std::string& out, const Value& value, bool quoted, int nesting) {
  check_nesting(nesting);
  switch (value.kind()) {
    case Kind::undefined:
      if (quoted) out += "Undefined";
      return;
    case Kind::none:
      out += "None";
      return;
    case Kind::boolean:
      out += value.boolean() ? "True" : "False";
      return;
    case Kind::integer:
      out += fmt::format("{}", value.integer());
      return;
    case Kind::number:
      out += number_text(value.number());
      return;
    case Kind::string:
      if (quoted) {
        append_quoted(out, value.string());
      } else {
        out += value.string();
      }
      return;
    case Kind::sequence: {
      const List& items = value.sequence().items;
      const bool tuple = value.sequence().tuple;
      out += tuple ? '(' : '[';
      for (std::size_t i = 0; i < items.size(); ++i) {
        if (i > 0) out += ", ";
        append_text(out, items[i], true, nesting + 1);
      }
      if (tuple && items.size() == 1) out += ',';
      out += tuple ? ')' : ']';
      return;
    }
    case Kind::dict:
      append_dict(out, value.dict(), nesting);
      return;
    case Kind::name_space:
      out += "<Namespace>";  // without the members, which may lead back here
      return;
    case Kind::callable:
      out += fmt::format("<function {}>", value.callable().name);
      return;
    case Kind::loop:
      out += fmt::format("<LoopContext {}/{}>", value.loop().index + 1, value.loop().items->size());
      return;
  }
}

bool equal_dicts(const Dict& a, const Dict& b, int nesting) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, item] : a.items()) {
    const Value* other = b.find(key);
    if (other == nullptr || !equal(item, *other, nesting + 1)) return false;
  }
  return true;
}

}  // namespace

int depth_of(const Value& value) {
  switch (value.kind()) {
    case Kind::sequence:
      return value.sequence().depth;
    case Kind::dict:
      return value.dict().depth();
    case Kind::callable:
      return value.callable().depth;
    case Kind::loop:
      return value.loop().depth;
    default:
      return 0;
  }
}

std::size_t add_weights(std::size_t a, std::size_t b) {
  return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

std::size_t weight_of(const Value& value) {
  switch (value.kind()) {
    case Kind::string:
      return value.string().size() + 16;
    case Kind::sequence:
      return value.sequence().weight;
    case Kind::dict:
      return value.dict().weight() + 16;
    default:
      return 16;
  }
}

int depth_around(const List& items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, depth_of(item));
  check_nesting(depth + 1);
  return depth + 1;
}

Value::Value(List items, bool tuple) {
  const int depth = depth_around(items);
  std::size_t weight = 16;
  for (const Value& item : items) weight = add_weights(weight, weight_of(item));
  data_ = std::make_shared<const Sequence>(Sequence{std::move(items), tuple, depth, weight});
}

const Value* Dict::lookup(const std::string& code) const {
  const auto found = index_.find(code);
  return found == index_.end() ? nullptr : &items_[found->second].second;
}

const Value* Dict::find(const Value& key) const { return lookup(code_of(key)); }
const Value* Dict::find(std::string_view key) const { return lookup(code_of_text(key)); }

void Dict::set(const Value& key, Value value) {
  depth_ = std::max({depth_, depth_of(key) + 1, depth_of(value) + 1});
  check_nesting(depth_);
  weight_ = add_weights(weight_, add_weights(weight_of(key), weight_of(value)));
  const auto [place, is_new] = index_.emplace(code_of(key), items_.size());
  if (is_new) {
    items_.emplace_back(key, std::move(value));
  } else {
    items_[place->second].second = std::move(value);
  }
}

void Dict::clear() {
  items_.clear();
  index_.clear();
}

Kind Value::kind() const { return static_cast<Kind>(data_.index()); }

bool Value::is_number() const { return is(Kind::integer) || is(Kind::number) || is(Kind::boolean); }

double Value::number() const {
  return is(Kind::number) ? std::get<double>(data_) : static_cast<double>(integer());
}

std::int64_t Value::integer() const {
  return is(Kind::boolean) ? std::int64_t{boolean()} : std::get<std::int64_t>(data_);
}

const void* Value::identity() const {
  switch (kind()) {
    case Kind::string:
      return &string();
    case Kind::sequence:
      return &sequence();
    case Kind::dict:
      return &dict();
    case Kind::name_space:
      return &name_space();
    case Kind::callable:
      return &callable();
    case Kind::loop:
      return &loop();
    default:
      return nullptr;
  }
}

Value::Value(Dict dict) : data_(std::make_shared<const Dict>(std::move(dict))) {}

std::string_view type_name(const Value& value) {
  if (value.is(Kind::sequence) && value.sequence().tuple) return "tuple";
  constexpr std::array<std::string_view, 11> kNames = {
      "Undefined", "NoneType", "bool",      "int",      "float",      "str",
      "list",      "dict",     "Namespace", "function", "LoopContext"};
  return kNames[static_cast<std::size_t>(value.kind())];
}

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
    case Kind::integer:
      return value.integer() != 0;
    case Kind::number:
      return value.number() != 0;
    case Kind::string:
      return !value.string().empty();
    case Kind::sequence:
      return !value.sequence().items.empty();
    case Kind::dict:
      return value.dict().size() > 0;
    case Kind::name_space:
    case Kind::callable:
    case Kind::loop:
      return true;
  }
  return true;
}

void require_defined(const Value& value) {
  if (value.is(Kind::undefined)) throw RuntimeError(value.undefined().what);
}

std::string to_text(const Value& value) {
  std::string out;
  append_text(out, value, false, 0);
  return out;
}

std::string repr(const Value& value) {
  std::string out;
  append_text(out, value, true, 0);
  return out;
}

std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

bool equal(const Value& a, const Value& b, int nesting) {
  check_nesting(nesting);
  if (a.is(Kind::integer) && b.is(Kind::integer)) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::undefined:
    case Kind::none:
      return true;
    case Kind::string:
      return a.string() == b.string();
    case Kind::sequence: {
      const List& left = a.sequence().items;
      const List& right = b.sequence().items;
      if (a.sequence().tuple != b.sequence().tuple || left.size() != right.size()) return false;
      for (std::size_t i = 0; i < left.size(); ++i) {
        if (!equal(left[i], right[i], nesting + 1)) return false;
      }
      return true;
    }
    case Kind::dict:
      return equal_dicts(a.dict(), b.dict(), nesting);
    default:
      return a.identity() == b.identity();
  }
}

int compare(const Value& a, const Value& b, int nesting) {
  check_nesting(nesting);
  require_defined(a);
  require_defined(b);
  if (a.is(Kind::string) && b.is(Kind::string)) return a.string().compare(b.string());
  if (a.is_number() && b.is_number()) {
    if (a.is(Kind::number) || b.is(Kind::number)) {
      return a.number() < b.number() ? -1 : a.number() > b.number() ? 1 : 0;
    }
    return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
  }
  if (a.is(Kind::sequence) && b.is(Kind::sequence) && a.sequence().tuple == b.sequence().tuple) {
    const List& left = a.sequence().items;
    const List& right = b.sequence().items;
    for (std::size_t i = 0; i < left.size() && i < right.size(); ++i) {
      if (!equal(left[i], right[i], nesting + 1)) return compare(left[i], right[i], nesting + 1);
    }
    return left.size() < right.size() ? -1 : left.size() > right.size() ? 1 : 0;
  }
  throw RuntimeError(fmt::format("'{}' and '{}' have no order", type_name(a), type_name(b)));
}

}  // namespace pith::jinja
