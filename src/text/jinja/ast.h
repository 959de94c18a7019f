// A template as a tree: expressions and statements, with their place in the source. It does
// nothing.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace pith::jinja {

using Filter = Value (*)(Evaluator&, const Value& input, const Arguments&);
using Test = bool (*)(Evaluator&, const Value& input, const Arguments&);

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class ExpressionKind {
  constant,
  name,
  tuple,
  list,
  dict,       // parts: key, value, key, value ...
  attribute,  // parts[0].name
  subscript,  // parts[0][parts[1]]
  slice,      // parts[0][parts[1]:parts[2]:parts[3]], each of the three may be null
  call,       // parts[0](call)
  filter,     // parts[0]|name(call); parts[0] is null in a filter block
  test,       // parts[0] is name(call)
  negate,
  plus,
  logical_not,
  logical_and,
  logical_or,
  condition,   // parts[0] if parts[1] else parts[2], which may be null
  arithmetic,  // parts[0] name parts[1]
  concat,      // parts[0] ~ parts[1] ~ ...
  comparison,  // parts[0] operators[0] parts[1] operators[1] parts[2] ...
};

struct CallParts {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star, star_star;
};

struct Expression {
  ExpressionKind kind;
  std::size_t at;
  int depth = 1;
  std::string name;
  Value constant;
  std::vector<ExpressionPtr> parts;
  std::vector<std::string> operators;
  CallParts call;
  Filter filter = nullptr;
  Test test = nullptr;
};

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

// What an assignment or a loop writes to.
struct Target {
  std::string name;
  std::string member;         // of a namespace: name.member
  std::vector<Target> parts;  // a tuple when not empty
};

struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // null: undefined when missing
};

struct Macro {
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  bool uses_varargs = false, uses_kwargs = false, uses_caller = false;
};

struct Branch {
  ExpressionPtr condition;  // null for else
  Body body;
};

enum class StatementKind {
  text,
  output,
  branches,
  loop,
  assign,
  assign_block,
  macro,
  call_block,
  filter_block,
  with,
  body,
  break_,
  continue_
};

struct Statement {
  StatementKind kind;
  std::size_t at;
  std::string text;
  ExpressionPtr expression;  // output, assign, loop's iterable, call_block's call, the filters of
                             // filter_block and assign_block
  std::vector<Branch> branches;
  Target target;
  std::vector<std::pair<Target, ExpressionPtr>> assignments;  // with
  Body body;
  Body otherwise;           // of a loop
  ExpressionPtr condition;  // of a loop
  bool recursive = false;
  std::shared_ptr<Macro> macro;  // shared with the values that are made from it
};

}  // namespace pith::jinja
