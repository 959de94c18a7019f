#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>

#include "text/jinja/filters.h"

namespace pith::jinja {
namespace {

constexpr std::int64_t kMaxRange = 100'000;  // Jinja's sandbox has the same bound

Value range(Evaluator& evaluator, const Arguments& arguments) {
  const List& given = arguments.positional;
  if (given.empty() || given.size() > 3 || !arguments.named.empty())
    throw RuntimeError("range takes one to three integers");
  std::int64_t bounds[3] = {0, 0, 1};
  for (std::size_t i = 0; i < given.size(); ++i) {
    require_defined(given[i]);
    if (!given[i].is(Kind::integer) && !given[i].is(Kind::boolean)) {
      throw RuntimeError(
          fmt::format("'{}' object cannot be interpreted as an integer", type_name(given[i])));
    }
    bounds[given.size() == 1 ? 1 : i] = given[i].integer();
  }
  const auto [begin, end, step] = bounds;
  if (step == 0) throw RuntimeError("range() arg 3 must not be zero");
  List out;
  for (std::int64_t at = begin; step > 0 ? at < end : at > end;) {
    if (static_cast<std::int64_t>(out.size()) == kMaxRange)
      throw RuntimeError(fmt::format("Range too big. The maximum is {}", kMaxRange));
    evaluator.charge(sizeof(Value));
    out.emplace_back(at);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return out;
}

Value dict(Evaluator& evaluator, const Arguments& arguments) {
  Dict out;
  for (const Value& source : arguments.positional) {
    evaluator.charge(weight_of(source));
    if (source.is(Kind::dict)) {
      for (const auto& [key, value] : source.dict().items()) out.set(key, value);
      continue;
    }
    const auto pairs = evaluator.iterate(source);
    for (const Value& pair : *pairs) {
      const auto parts = evaluator.iterate(pair);
      if (parts->size() != 2) throw RuntimeError("dict() needs pairs");
      out.set((*parts)[0], (*parts)[1]);
    }
  }
  for (const auto& [key, value] : arguments.named) out.set(key, value);
  return out;
}

Value make_namespace(Evaluator& evaluator, const Arguments& arguments) {
  auto space = evaluator.make_namespace();
  const Value initial = dict(evaluator, arguments);
  for (const auto& [key, value] : initial.dict().items()) space->members.set(key, value);
  return space;
}

Value raise_exception(Evaluator& evaluator, const Arguments& arguments) {
  Binder bind("raise_exception", arguments);
  const Value message = bind.required("message");
  bind.finish();
  throw RaisedByTemplate(evaluator.text(message));
}

Value strftime_now(Evaluator& evaluator, const Arguments& arguments) {
  Binder bind("strftime_now", arguments);
  const std::string format = bind.text("format", "");
  bind.finish();
  if (format.size() > 1000 || format.find('\0') != std::string::npos)
    throw RuntimeError("strftime_now's format is too long or holds a NUL");
  const auto now = static_cast<std::time_t>(evaluator.unix_time());
  std::tm local{};
  if (::localtime_r(&now, &local) == nullptr) throw RuntimeError("the time has no calendar date");
  std::string out(64 * format.size() + 256, '\0');
  // The space keeps an empty result apart from a result that does not fit.
  const std::size_t size = std::strftime(out.data(), out.size(), (format + " ").c_str(), &local);
  if (size == 0) throw RuntimeError("strftime_now's format is not supported");
  out.resize(size - 1);
  return out;
}

Value global(std::string name, Value (*function)(Evaluator&, const Arguments&)) {
  auto callable = std::make_shared<Callable>();
  callable->name = std::move(name);
  callable->call = function;
  return Value(std::shared_ptr<const Callable>(std::move(callable)));
}

}  // namespace

const Value* find_global(std::string_view name) {
  static const std::map<std::string, Value, std::less<>> kGlobals = {
      {"range", global("range", range)},
      {"dict", global("dict", dict)},
      {"namespace", global("namespace", make_namespace)},
      {"raise_exception", global("raise_exception", raise_exception)},
      {"strftime_now", global("strftime_now", strftime_now)},
  };
  const auto found = kGlobals.find(name);
  return found == kGlobals.end() ? nullptr : &found->second;
}

const Value* Binder::optional(std::string_view name) {
  const Value* found = nullptr;
  if (position_ < arguments_.positional.size()) found = &arguments_.positional[position_++];
  for (const auto& [key, value] : arguments_.named) {
    if (key != name) continue;
    if (found != nullptr)
      throw RuntimeError(fmt::format("{}() got two values for '{}'", function_, name));
    found = &value;
    ++named_used_;
  }
  return found;
}

const Value& Binder::required(std::string_view name) {
  const Value* found = optional(name);
  if (found == nullptr)
    throw RuntimeError(fmt::format("{}() misses the argument '{}'", function_, name));
  return *found;
}

std::int64_t Binder::integer(std::string_view name, std::int64_t fallback) {
  const Value* found = optional(name);
  if (found == nullptr) return fallback;
  require_defined(*found);
  if (!found->is(Kind::integer) && !found->is(Kind::boolean)) {
    throw RuntimeError(
        fmt::format("{}(): '{}' must be an integer, not {}", function_, name, type_name(*found)));
  }
  return found->integer();
}

bool Binder::boolean(std::string_view name, bool fallback) {
  const Value* found = optional(name);
  return found == nullptr ? fallback : truth(*found);
}

std::string Binder::text(std::string_view name, std::string_view fallback) {
  const Value* found = optional(name);
  if (found == nullptr || found->is(Kind::none)) return std::string(fallback);
  if (!found->is(Kind::string)) {
    throw RuntimeError(
        fmt::format("{}(): '{}' must be a string, not {}", function_, name, type_name(*found)));
  }
  return found->string();
}

void Binder::finish() const {
  if (position_ < arguments_.positional.size()) {
    throw RuntimeError(fmt::format("{}() takes {} positional argument(s), {} were given", function_,
                                   position_, arguments_.positional.size()));
  }
  if (named_used_ < arguments_.named.size()) {
    throw RuntimeError(fmt::format("{}() got an unexpected keyword argument", function_));
  }
}

}  // namespace pith::jinja
