// The values that a template computes with: Python's, as far as chat templates see them. They know
// no syntax and no limits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace pith::jinja {

class Value;
class Evaluator;
using List = std::vector<Value>;

// An error while a template runs; the evaluator adds the place.
struct RuntimeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Undefined {
  std::string what;  // "'x' is undefined"
};

class Dict;
struct Sequence;
struct Namespace;
struct Arguments;
struct Callable;
struct Loop;

// The order is that of the alternatives in Value.
enum class Kind {
  undefined,
  none,
  boolean,
  integer,
  number,
  string,
  sequence,
  dict,
  name_space,
  callable,
  loop
};

class Value {
 public:
  Value() = default;  // None
  Value(Undefined undefined) : data_(std::move(undefined)) {}
  Value(bool value) : data_(value) {}
  Value(std::int64_t value) : data_(value) {}
  Value(int value) : data_(std::int64_t{value}) {}
  Value(double value) : data_(value) {}
  Value(std::string value) : data_(std::make_shared<const std::string>(std::move(value))) {}
  Value(std::string_view value) : Value(std::string(value)) {}
  Value(const char* value) : Value(std::string(value)) {}
  Value(List items, bool tuple = false);
  Value(Dict dict);
  Value(std::shared_ptr<Namespace> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<const Callable> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<Loop> value) : data_(std::move(value)) {}

  Kind kind() const;
  bool is(Kind kind) const { return this->kind() == kind; }
  bool is_number() const;  // an integer, a float or a bool

  const Undefined& undefined() const { return std::get<Undefined>(data_); }
  bool boolean() const { return std::get<bool>(data_); }
  double number() const;         // of any number
  std::int64_t integer() const;  // of an integer or a bool
  const std::string& string() const { return *std::get<std::shared_ptr<const std::string>>(data_); }
  const Sequence& sequence() const { return *std::get<std::shared_ptr<const Sequence>>(data_); }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
  Namespace& name_space() const { return *std::get<std::shared_ptr<Namespace>>(data_); }
  const Callable& callable() const { return *std::get<std::shared_ptr<const Callable>>(data_); }
  Loop& loop() const { return *std::get<std::shared_ptr<Loop>>(data_); }
  const void* identity() const;  // of containers and strings; null for scalars

 private:
  std::variant<Undefined, std::nullptr_t, bool, std::int64_t, double,
               std::shared_ptr<const std::string>, std::shared_ptr<const Sequence>,
               std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
               std::shared_ptr<const Callable>, std::shared_ptr<Loop>>
      data_ = nullptr;
};

// Insertion-ordered, keyed by scalars; 1, 1.0 and True are the same key, as in Python.
class Dict {
 public:
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(const Value& key, Value value);
  const std::vector<std::pair<Value, Value>>& items() const { return items_; }
  std::size_t size() const { return items_.size(); }
  void clear();
  int depth() const { return depth_; }
  std::size_t weight() const { return weight_; }

 private:
  const Value* lookup(const std::string& code) const;
  int depth_ = 1;
  std::size_t weight_ = 0;
  std::vector<std::pair<Value, Value>> items_;
  std::unordered_map<std::string, std::size_t> index_;
};

struct Sequence {
  List items;
  bool tuple;
  int depth;
  std::size_t weight;
};

struct Namespace {
  Dict members;
};

struct Arguments {
  List positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct Callable {
  std::string name;
  std::function<Value(Evaluator&, const Arguments&)> call;
  int depth = 0;  // of a value that it holds
};

// The `loop` variable.
struct Loop {
  std::shared_ptr<const List> items;
  std::size_t index = 0;
  int level = 1;  // of recursion
  int depth = 1;  // as a value
  List last_changed;
  bool changed_before = false;
  std::function<Value(Evaluator&, const Arguments&)> recurse;  // of a recursive loop
};

std::string_view type_name(const Value& value);  // Python's: "str", "int", "dict" ...
bool truth(const Value& value);
// Throws where the value is undefined, as Jinja does for every use but printing, testing and
// iterating.
void require_defined(const Value& value);

// How deep values nest is bounded when they are made, because walking and destroying them recurses.
// Namespaces and macros, which can be part of a cycle, count as leaves; the evaluator takes those
// apart.
constexpr int kMaxNesting = 100;
int depth_of(const Value& value);
// About the bytes that printing takes. Shared parts count each time: a few lists of lists can stand
// for more than any memory.
std::size_t weight_of(const Value& value);
std::size_t add_weights(std::size_t a, std::size_t b);  // saturating
int depth_around(const List& items);      // of a container of these; throws above kMaxNesting
std::string to_text(const Value& value);  // str()
std::string repr(const Value& value);
std::string number_text(
    double value);  // the shortest that reads back, with Python's ".0" and exponents
bool equal(const Value& a, const Value& b, int nesting = 0);
// Negative, zero, positive; throws where Python has no order.
int compare(const Value& a, const Value& b, int nesting = 0);

struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<int> indent;
  std::string item_separator = ", ", key_separator = ": ";
  bool sort_keys = false;
};
std::string to_json(const Value& value, const JsonStyle& style);
// Throws RuntimeError for text that is no JSON, or nests deeper than kMaxNesting.
Value parse_json(std::string_view text);

}  // namespace pith::jinja
