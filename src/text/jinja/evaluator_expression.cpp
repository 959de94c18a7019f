#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/evaluator.h"
#include "text/jinja/level.h"
#include "text/jinja/library.h"
#include "text/jinja/strings.h"

namespace pith::jinja {
namespace {

Value loop_attribute(const Loop& loop, std::string_view name) {
  const auto index = static_cast<std::int64_t>(loop.index);
  const auto length = static_cast<std::int64_t>(loop.items->size());
  if (name == "index") return index + 1;
  if (name == "index0") return index;
  if (name == "revindex") return length - index;
  if (name == "revindex0") return length - index - 1;
  if (name == "first") return index == 0;
  if (name == "last") return index + 1 == length;
  if (name == "length") return length;
  if (name == "depth") return loop.level;
  if (name == "depth0") return loop.level - 1;
  if (name == "previtem" && index > 0) return (*loop.items)[loop.index - 1];
  if (name == "nextitem" && index + 1 < length) return (*loop.items)[loop.index + 1];
  if (name == "previtem") return Undefined{"there is no previous item"};
  if (name == "nextitem") return Undefined{"there is no next item"};
  return Undefined{fmt::format("'loop' has no attribute '{}'", name)};
}

std::string missing(const Value& object, std::string_view what) {
  return object.is(Kind::none) ? fmt::format("'None' has {}", what)
                               : fmt::format("'{} object' has {}", type_name(object), what);
}

}  // namespace

Value Evaluator::evaluate(const Expression& node) {
  const Level level(*this);
  at_ = node.at;
  spend(1);
  return evaluate_node(node);
}

Value Evaluator::evaluate_node(const Expression& node) {
  const auto part = [&](std::size_t i) { return evaluate(*node.parts[i]); };
  switch (node.kind) {
    case ExpressionKind::constant:
      return node.constant;
    case ExpressionKind::name:
      return lookup(node.name);
    case ExpressionKind::tuple:
    case ExpressionKind::list: {
      charge(node.parts.size() * sizeof(Value));
      List items;
      items.reserve(node.parts.size());
      for (const auto& item : node.parts) items.push_back(evaluate(*item));
      return Value(std::move(items), node.kind == ExpressionKind::tuple);
    }
    case ExpressionKind::dict: {
      charge(node.parts.size() * 2 * sizeof(Value));
      Dict dict;
      for (std::size_t i = 0; i + 1 < node.parts.size(); i += 2) {
        const Value key = part(i);
        charge(weight_of(key));
        dict.set(key, part(i + 1));
      }
      return dict;
    }
    case ExpressionKind::attribute:
      return attribute(part(0), node.name);
    case ExpressionKind::subscript: {
      const Value object = part(0);
      return subscript(object, part(1));
    }
    case ExpressionKind::slice:
      return evaluate_slice(node);
    case ExpressionKind::call: {
      const Value callee = part(0);
      const Arguments arguments = evaluate_arguments(node.call);
      at_ = node.at;
      return call(callee, arguments);
    }
    case ExpressionKind::filter:
      return evaluate_filter(node, nullptr);
    case ExpressionKind::test: {
      const Value input = part(0);
      const Arguments arguments = evaluate_arguments(node.call);
      at_ = node.at;
      return node.test(*this, input, arguments);
    }
    case ExpressionKind::negate:
    case ExpressionKind::plus: {
      const Value value = part(0);
      require_defined(value);
      if (!value.is_number())
        throw RuntimeError(
            fmt::format("bad operand type for unary operator: '{}'", type_name(value)));
      return node.kind == ExpressionKind::negate ? arithmetic("-", Value(0), value)
                                                 : arithmetic("+", Value(0), value);
    }
    case ExpressionKind::logical_not:
      return !truth(part(0));
    case ExpressionKind::logical_and: {
      Value left = part(0);
      return truth(left) ? part(1) : left;
    }
    case ExpressionKind::logical_or: {
      Value left = part(0);
      return truth(left) ? left : part(1);
    }
    case ExpressionKind::condition:
      if (truth(part(1))) return part(0);
      if (node.parts[2]) return part(2);
      return Undefined{
          "the inline if-expression evaluated to false and no else section was defined"};
    case ExpressionKind::arithmetic: {
      const Value left = part(0), right = part(1);
      at_ = node.at;
      return arithmetic(node.name, left, right);
    }
    case ExpressionKind::concat: {
      std::string out;
      for (const auto& item : node.parts) out += text(evaluate(*item));
      charge(out.size());
      return out;
    }
    case ExpressionKind::comparison:
      return evaluate_comparison(node);
  }
  return {};
}

Value Evaluator::lookup(const std::string& name) const {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    const auto found = scope->variables.find(name);
    if (found != scope->variables.end()) return found->second;
  }
  if (const Value* global = find_global(name)) return *global;
  return Undefined{fmt::format("'{}' is undefined", name)};
}

Value Evaluator::evaluate_comparison(const Expression& node) {
  Value left = evaluate(*node.parts[0]);
  for (std::size_t i = 0; i < node.operators.size(); ++i) {
    Value right = evaluate(*node.parts[i + 1]);
    at_ = node.at;
    const std::string& op = node.operators[i];
    bool holds = false;
    if (op == "==" || op == "!=") {
      holds = is_equal(left, right) == (op == "==");
    } else if (op == "in" || op == "not in") {
      holds = contains(right, left) == (op == "in");
    } else {
      spend(std::min(weight_of(left), weight_of(right)) / 64);
      const int order = compare(left, right);
      holds = op == "<" ? order < 0 : op == "<=" ? order <= 0 : op == ">" ? order > 0 : order >= 0;
    }
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

Value Evaluator::evaluate_slice(const Expression& node) {
  const Value object = evaluate(*node.parts[0]);
  require_defined(object);
  std::optional<std::int64_t> bounds[3];
  for (std::size_t k = 0; k < 3; ++k) {
    if (!node.parts[k + 1]) continue;
    const Value bound = evaluate(*node.parts[k + 1]);
    if (bound.is(Kind::none)) continue;
    if (!bound.is(Kind::integer) && !bound.is(Kind::boolean))
      throw RuntimeError("slice indices must be integers or None");
    bounds[k] = bound.integer();
  }
  const std::int64_t step = bounds[2].value_or(1);
  if (step == 0) throw RuntimeError("slice step cannot be zero");
  const bool is_text = object.is(Kind::string);
  if (!is_text && !object.is(Kind::sequence)) return Undefined{missing(object, "no slices")};
  const auto length =
      is_text ? symbol_count(object.string()) : static_cast<Index>(object.sequence().items.size());
  spend(is_text ? object.string().size() : 1);
  const std::int64_t low = step > 0 ? 0 : -1, high = step > 0 ? length : length - 1;
  const auto place = [&](std::optional<std::int64_t> bound, std::int64_t fallback) {
    if (!bound) return fallback;
    const std::int64_t at = *bound < 0 ? *bound + length : *bound;
    return std::clamp(at, low, high);
  };
  std::int64_t at = place(bounds[0], step > 0 ? low : high);
  const std::int64_t end = place(bounds[1], step > 0 ? high : low);
  if (is_text && step == 1) {
    const std::string& whole = object.string();
    const std::size_t first = byte_offset(whole, at), last = byte_offset(whole, std::max(at, end));
    charge(last - first);
    return whole.substr(first, last - first);
  }
  const auto items = iterate(object);
  List taken;
  while (step > 0 ? at < end : at > end) {
    taken.push_back((*items)[static_cast<std::size_t>(at)]);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  charge(taken.size() * sizeof(Value));
  if (!is_text) return Value(std::move(taken), object.sequence().tuple);
  std::string joined;
  for (const Value& symbol : taken) joined += symbol.string();
  return joined;
}

Value Evaluator::evaluate_filter(const Expression& node, const Value* input) {
  const Level level(*this);
  Value value;
  if (!node.parts[0]) {
    value = *input;  // the innermost filter of a filter block
  } else if (input != nullptr && node.parts[0]->kind == ExpressionKind::filter) {
    value = evaluate_filter(*node.parts[0], input);
  } else {
    value = evaluate(*node.parts[0]);
  }
  const Arguments arguments = evaluate_arguments(node.call);
  at_ = node.at;
  return node.filter(*this, value, arguments);
}

Arguments Evaluator::evaluate_arguments(const CallParts& call) {
  Arguments out;
  for (const auto& part : call.positional) out.positional.push_back(evaluate(*part));
  for (const auto& [name, part] : call.named) out.named.emplace_back(name, evaluate(*part));
  if (call.star) {
    const auto items = iterate(evaluate(*call.star));
    out.positional.insert(out.positional.end(), items->begin(), items->end());
  }
  if (call.star_star) {
    const Value more = evaluate(*call.star_star);
    if (!more.is(Kind::dict)) throw RuntimeError("the argument after ** must be a mapping");
    for (const auto& [key, value] : more.dict().items()) {
      if (!key.is(Kind::string)) throw RuntimeError("keywords must be strings");
      out.named.emplace_back(key.string(), value);
    }
    charge(weight_of(more));
  }
  return out;
}

Value Evaluator::call(const Value& callee, const Arguments& arguments) {
  require_defined(callee);
  const Level level(*this);
  if (callee.is(Kind::callable)) return callee.callable().call(*this, arguments);
  if (callee.is(Kind::loop)) {
    if (!callee.loop().recurse)
      throw RuntimeError("this loop is not recursive: write {% for ... recursive %}");
    return callee.loop().recurse(*this, arguments);
  }
  throw RuntimeError(fmt::format("'{}' object is not callable", type_name(callee)));
}

Value Evaluator::attribute(const Value& object, std::string_view name) {
  require_defined(object);
  if (object.is(Kind::loop)) {
    const Value found = loop_attribute(object.loop(), name);
    if (!found.is(Kind::undefined)) return found;
  }
  const Value method = find_method(object, name);
  if (!method.is(Kind::undefined)) {
    charge(128);
    return method;
  }
  if (object.is(Kind::loop)) return loop_attribute(object.loop(), name);
  const Value* found = nullptr;
  if (object.is(Kind::dict)) found = object.dict().find(name);
  if (object.is(Kind::name_space)) found = object.name_space().members.find(name);
  return found ? *found : Value(Undefined{missing(object, fmt::format("no attribute '{}'", name))});
}

Value Evaluator::subscript(const Value& object, const Value& key) {
  require_defined(object);
  spend(weight_of(key) / 16);
  if (object.is(Kind::dict)) {
    if (const Value* found = object.dict().find(key)) return *found;
  }
  if (key.is(Kind::integer) || key.is(Kind::boolean)) {
    std::int64_t at = key.integer();
    if (object.is(Kind::sequence)) {
      const List& items = object.sequence().items;
      const auto size = static_cast<std::int64_t>(items.size());
      if (at < 0) at += size;
      if (at >= 0 && at < size) return items[static_cast<std::size_t>(at)];
    } else if (object.is(Kind::string)) {
      const std::string& whole = object.string();
      spend(whole.size());
      if (at < 0) at += symbol_count(whole);
      const std::size_t begin = at < 0 ? whole.size() : byte_offset(whole, at);
      if (begin < whole.size())
        return whole.substr(begin, byte_offset(std::string_view(whole).substr(begin), 1));
    }
    return Undefined{missing(object, fmt::format("no element {}", key.integer()))};
  }
  if (key.is(Kind::string)) return attribute(object, key.string());
  return Undefined{missing(object, fmt::format("no element {}", repr(key)))};
}

std::shared_ptr<const List> Evaluator::iterate(const Value& iterable) {
  switch (iterable.kind()) {
    case Kind::undefined:
      return std::make_shared<const List>();
    case Kind::sequence: {
      // Shares the ownership of the value: no copy.
      auto owner = std::make_shared<const Value>(iterable);
      return {owner, &owner->sequence().items};
    }
    case Kind::dict: {
      List keys;
      charge(iterable.dict().size() * sizeof(Value));
      for (const auto& [key, value] : iterable.dict().items()) keys.push_back(key);
      return std::make_shared<const List>(std::move(keys));
    }
    case Kind::string: {
      const std::string& whole = iterable.string();
      charge(whole.size() * (sizeof(Value) + sizeof(std::string) + 16));
      spend(whole.size());
      List symbols;
      for (std::size_t at = 0; at < whole.size();) {
        const std::size_t length = byte_offset(std::string_view(whole).substr(at), 1);
        symbols.emplace_back(whole.substr(at, length));
        at += length;
      }
      return std::make_shared<const List>(std::move(symbols));
    }
    default:
      throw RuntimeError(fmt::format("'{}' object is not iterable", type_name(iterable)));
  }
}

bool Evaluator::is_equal(const Value& a, const Value& b) {
  spend(std::min(weight_of(a), weight_of(b)) / 64);
  return equal(a, b);
}

bool Evaluator::contains(const Value& container, const Value& item) {
  if (container.is(Kind::dict)) {
    spend(weight_of(item) / 16);
    return container.dict().find(item) != nullptr;
  }
  if (container.is(Kind::string)) {
    if (!item.is(Kind::string)) {
      throw RuntimeError(
          fmt::format("'in <string>' requires string as left operand, not {}", type_name(item)));
    }
    spend(container.string().size());
    return container.string().find(item.string()) != std::string::npos;
  }
  const auto items = iterate(container);
  spend(items->size());
  return std::any_of(items->begin(), items->end(),
                     [&](const Value& one) { return is_equal(one, item); });
}

std::string Evaluator::text(const Value& value) {
  charge(weight_of(value));
  return to_text(value);
}

}  // namespace pith::jinja
