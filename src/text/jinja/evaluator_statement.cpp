#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/jinja/evaluator.h"
#include "text/jinja/level.h"

namespace pith::jinja {

Evaluator::~Evaluator() {
  for (const auto& space : namespaces_) space->members.clear();
  for (const auto& scope : captured_scopes_) scope->variables.clear();
}

void Evaluator::set_variable(std::string_view name, Value value) {
  scope_->variables[name] = std::move(value);
}

std::string Evaluator::render(const Body& body) {
  std::string out;
  out_ = &out;
  try {
    execute(body);
  } catch (const RuntimeError& error) {
    throw RenderError(error.what(), at_);
  }
  return out;
}

void Evaluator::spend(std::size_t work) {
  work_ = add_weights(work_, work);
  if (work_ > limits_.work)
    throw RuntimeError(fmt::format("the template takes more than {} steps", limits_.work));
}

void Evaluator::charge(std::size_t bytes) {
  memory_ = add_weights(memory_, bytes);
  if (memory_ > limits_.memory)
    throw RuntimeError(
        fmt::format("the template makes more than {} bytes of values", limits_.memory));
}

void Evaluator::emit(std::string_view text) {
  spend(text.size() / 64);
  if (text.size() > limits_.output - out_->size()) {
    throw RuntimeError(fmt::format("the template writes more than {} bytes", limits_.output));
  }
  *out_ += text;
}

Evaluator::ScopePtr Evaluator::inner_scope() const {
  auto scope = std::make_shared<Scope>();
  scope->parent = scope_;
  return scope;
}

std::shared_ptr<Namespace> Evaluator::make_namespace() {
  charge(sizeof(Namespace) + 64);
  namespaces_.push_back(std::make_shared<Namespace>());
  return namespaces_.back();
}

Evaluator::Flow Evaluator::execute(const Body& body) {
  for (const auto& statement : body) {
    const Flow flow = execute(*statement);
    if (flow != Flow::next) return flow;
  }
  return Flow::next;
}

Evaluator::Flow Evaluator::execute(const Statement& statement) {
  const Level level(*this);
  at_ = statement.at;
  spend(1);
  switch (statement.kind) {
    case StatementKind::text:
      emit(statement.text);
      return Flow::next;
    case StatementKind::output:
      emit(text(evaluate(*statement.expression)));
      return Flow::next;
    case StatementKind::branches:
      for (const Branch& branch : statement.branches) {
        if (!branch.condition || truth(evaluate(*branch.condition))) return execute(branch.body);
      }
      return Flow::next;
    case StatementKind::loop:
      return execute_loop(statement);
    case StatementKind::assign:
      assign(statement.target, evaluate(*statement.expression));
      return Flow::next;
    case StatementKind::assign_block: {
      Value value(capture(statement.body, inner_scope()));
      assign(statement.target,
             statement.expression ? evaluate_filter(*statement.expression, &value) : value);
      return Flow::next;
    }
    case StatementKind::macro:
      scope_->variables[statement.macro->name] = make_macro(statement.macro);
      return Flow::next;
    case StatementKind::call_block:
      execute_call_block(statement);
      return Flow::next;
    case StatementKind::filter_block: {
      const Value value(capture(statement.body, inner_scope()));
      emit(text(evaluate_filter(*statement.expression, &value)));
      return Flow::next;
    }
    case StatementKind::with: {
      auto scope = inner_scope();
      for (const auto& [target, expression] : statement.assignments) {
        scope->variables[target.name] = evaluate(*expression);
      }
      const Switch<ScopePtr> inside(scope_, scope);
      return execute(statement.body);
    }
    case StatementKind::body:
      return execute(statement.body);
    case StatementKind::break_:
      return Flow::break_;
    case StatementKind::continue_:
      return Flow::continue_;
  }
  return Flow::next;
}

Evaluator::Flow Evaluator::execute_loop(const Statement& statement) {
  if (statement.recursive) captured_scopes_.push_back(scope_);
  return run_loop(statement, evaluate(*statement.expression), 1, scope_);
}

Evaluator::Flow Evaluator::run_loop(const Statement& statement, const Value& iterable, int level,
                                    const ScopePtr& outer) {
  auto items = iterate(iterable);
  const Switch<ScopePtr> home(scope_, outer);
  if (statement.condition) {
    List kept;
    for (const Value& item : *items) {
      const Switch<ScopePtr> inside(scope_, inner_scope());
      assign(statement.target, item);
      if (truth(evaluate(*statement.condition))) kept.push_back(item);
    }
    items = std::make_shared<const List>(std::move(kept));
  }
  if (items->empty()) return execute(statement.otherwise);
  auto loop = std::make_shared<Loop>();
  loop->items = items;
  loop->level = level;
  loop->depth = depth_around(*items);
  if (statement.recursive) {
    loop->recurse = [this, &statement, level, outer](Evaluator&, const Arguments& arguments) {
      if (arguments.positional.size() != 1) throw RuntimeError("loop() takes exactly one argument");
      std::string written;
      const Redirect redirect(out_, &written);
      run_loop(statement, arguments.positional[0], level + 1, outer);
      charge(written.size());
      return Value(std::move(written));
    };
  }
  for (loop->index = 0; loop->index < items->size(); ++loop->index) {
    if (++iterations_ > limits_.iterations) {
      throw RuntimeError(
          fmt::format("the loops of the template run more than {} times", limits_.iterations));
    }
    auto scope = inner_scope();
    scope->variables["loop"] = Value(loop);
    const Switch<ScopePtr> inside(scope_, scope);
    assign(statement.target, (*items)[loop->index]);
    if (execute(statement.body) == Flow::break_) break;
  }
  return Flow::next;
}

void Evaluator::assign(const Target& target, const Value& value) {
  spend(1);
  if (!target.parts.empty()) {
    const auto items = iterate(value);
    if (items->size() != target.parts.size()) {
      throw RuntimeError(fmt::format("{} values were expected to unpack, got {}",
                                     target.parts.size(), items->size()));
    }
    for (std::size_t i = 0; i < items->size(); ++i) assign(target.parts[i], (*items)[i]);
    return;
  }
  if (target.member.empty()) {
    scope_->variables[target.name] = value;
    return;
  }
  const Value object = lookup(target.name);
  if (!object.is(Kind::name_space))
    throw RuntimeError("cannot assign attribute on non-namespace object");
  charge(target.member.size() + 64);
  object.name_space().members.set(target.member, value);
}

std::string Evaluator::capture(const Body& body, const ScopePtr& scope) {
  std::string written;
  const Redirect redirect(out_, &written);
  const Switch<ScopePtr> inside(scope_, scope);
  execute(body);
  charge(written.size());
  return written;
}

Value Evaluator::make_macro(const std::shared_ptr<Macro>& macro) {
  charge(256);
  captured_scopes_.push_back(scope_);
  auto callable = std::make_shared<Callable>();
  callable->name = macro->name;
  callable->call = [macro, scope = scope_](Evaluator& evaluator, const Arguments& arguments) {
    return evaluator.invoke_macro(*macro, scope, arguments);
  };
  return Value(std::shared_ptr<const Callable>(std::move(callable)));
}

void Evaluator::execute_call_block(const Statement& statement) {
  const Expression& call_node = *statement.expression;
  const Value callee = evaluate(*call_node.parts[0]);
  Arguments arguments = evaluate_arguments(call_node.call);
  arguments.named.emplace_back("caller", make_macro(statement.macro));
  emit(text(call(callee, arguments)));
}

Value Evaluator::invoke_macro(const Macro& macro, const ScopePtr& defined_in,
                              const Arguments& arguments) {
  const Level level(*this);
  const Switch<ScopePtr> home(scope_, defined_in);
  auto scope = inner_scope();
  const Switch<ScopePtr> inside(scope_, scope);
  auto& variables = scope->variables;
  const auto& parameters = macro.parameters;
  if (arguments.positional.size() > parameters.size() && !macro.uses_varargs) {
    throw RuntimeError(fmt::format("macro '{}' takes not more than {} argument(s)", macro.name,
                                   parameters.size()));
  }
  std::size_t position = 0;
  for (; position < parameters.size() && position < arguments.positional.size(); ++position) {
    variables[parameters[position].name] = arguments.positional[position];
  }
  Dict surplus;
  for (const auto& [name, value] : arguments.named) {
    const auto is_parameter = [&, &wanted = name](const Parameter& parameter) {
      return parameter.name == wanted;
    };
    const auto parameter = std::find_if(parameters.begin(), parameters.end(), is_parameter);
    if (parameter != parameters.end()) {
      if (!variables.emplace(parameter->name, value).second) {
        throw RuntimeError(fmt::format("macro '{}' got two values for '{}'", macro.name, name));
      }
    } else if (name == "caller" && macro.uses_caller) {
      variables["caller"] = value;
    } else if (macro.uses_kwargs) {
      surplus.set(name, value);
    } else {
      throw RuntimeError(
          fmt::format("macro '{}' takes no keyword argument '{}'", macro.name, name));
    }
  }
  for (const Parameter& parameter : parameters) {
    if (variables.contains(parameter.name)) continue;
    variables[parameter.name] =
        parameter.fallback
            ? evaluate(*parameter.fallback)
            : Value(Undefined{fmt::format("parameter '{}' was not provided", parameter.name)});
  }
  if (macro.uses_caller && !variables.contains("caller"))
    variables["caller"] = Undefined{"No caller defined"};
  if (macro.uses_varargs) {
    const auto rest = arguments.positional.begin() + static_cast<std::ptrdiff_t>(position);
    variables["varargs"] = Value(List(rest, arguments.positional.end()), true);
  }
  if (macro.uses_kwargs) variables["kwargs"] = Value(std::move(surplus));
  return Value(capture(macro.body, scope));
}

}  // namespace pith::jinja
