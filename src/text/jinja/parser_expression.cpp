#include <array>
#include <charconv>
#include <cstdlib>

#include "text/jinja/library.h"
#include "text/jinja/parser_state.h"

namespace pith::jinja {

ExpressionPtr Parser::parse_expression(bool with_condition) {
  const Nesting nesting(*this);
  auto node = parse_or();
  while (with_condition && at_name("if")) {
    auto condition = make(ExpressionKind::condition, take().at);
    add_part(*condition, std::move(node));
    add_part(*condition, parse_or());
    add_part(*condition, skip_name("else") ? parse_expression() : nullptr);
    node = std::move(condition);
  }
  return node;
}

ExpressionPtr Parser::parse_or() {
  auto left = parse_and();
  while (at_name("or")) {
    auto node = make(ExpressionKind::logical_or, take().at);
    add_part(*node, std::move(left));
    add_part(*node, parse_and());
    left = std::move(node);
  }
  return left;
}

ExpressionPtr Parser::parse_and() {
  auto left = parse_not();
  while (at_name("and")) {
    auto node = make(ExpressionKind::logical_and, take().at);
    add_part(*node, std::move(left));
    add_part(*node, parse_not());
    left = std::move(node);
  }
  return left;
}

ExpressionPtr Parser::parse_not() {
  if (!at_name("not")) return parse_comparison();
  const Nesting nesting(*this);
  auto node = make(ExpressionKind::logical_not, take().at);
  add_part(*node, parse_not());
  return node;
}

ExpressionPtr Parser::parse_comparison() {
  constexpr std::array<std::string_view, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
  auto first = parse_sum();
  ExpressionPtr node;
  for (;;) {
    const std::size_t at = current().at;
    std::string op;
    if (at_kind(TokenKind::op) &&
        std::find(kOperators.begin(), kOperators.end(), current().text) != kOperators.end()) {
      op = take().text;
    } else if (skip_name("in")) {
      op = "in";
    } else if (at_name("not") && ahead().kind == TokenKind::name && ahead().text == "in") {
      take();
      take();
      op = "not in";
    } else {
      return node ? std::move(node) : std::move(first);
    }
    if (!node) {
      node = make(ExpressionKind::comparison, at);
      add_part(*node, std::move(first));
    }
    node->operators.push_back(op);
    add_part(*node, parse_sum());
  }
}

ExpressionPtr Parser::parse_sum() {
  auto left = parse_concat();
  while (at_op("+") || at_op("-")) {
    const Lexeme op = take();
    auto node = make(ExpressionKind::arithmetic, op.at);
    node->name = op.text;
    add_part(*node, std::move(left));
    add_part(*node, parse_concat());
    left = std::move(node);
  }
  return left;
}

ExpressionPtr Parser::parse_concat() {
  auto first = parse_product();
  if (!at_op("~")) return first;
  auto node = make(ExpressionKind::concat, current().at);
  add_part(*node, std::move(first));
  while (skip_op("~")) add_part(*node, parse_product());
  return node;
}

ExpressionPtr Parser::parse_product() {
  auto left = parse_power();
  while (at_op("*") || at_op("/") || at_op("//") || at_op("%")) {
    const Lexeme op = take();
    auto node = make(ExpressionKind::arithmetic, op.at);
    node->name = op.text;
    add_part(*node, std::move(left));
    add_part(*node, parse_power());
    left = std::move(node);
  }
  return left;
}

ExpressionPtr Parser::parse_power() {
  auto left = parse_unary();
  while (at_op("**")) {
    auto node = make(ExpressionKind::arithmetic, take().at);
    node->name = "**";
    add_part(*node, std::move(left));
    add_part(*node, parse_unary());
    left = std::move(node);
  }
  return left;
}

ExpressionPtr Parser::parse_unary(bool with_filters) {
  ExpressionPtr node;
  if (at_op("-") || at_op("+")) {
    const Nesting nesting(*this);
    const Lexeme op = take();
    node = make(op.text == "-" ? ExpressionKind::negate : ExpressionKind::plus, op.at);
    add_part(*node, parse_unary(false));
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filters ? parse_filters(std::move(node)) : std::move(node);
}

ExpressionPtr Parser::parse_primary() {
  const Lexeme& token = current();
  if (token.kind == TokenKind::op) {
    if (token.text == "[") return parse_list();
    if (token.text == "{") return parse_dict();
    if (token.text != "(") refuse("an expression was expected");
    take();
    auto node = parse_tuple(true, {}, true);
    expect_op(")");
    return node;
  }
  auto node = make(ExpressionKind::constant, token.at);
  if (token.kind == TokenKind::name) {
    const std::string name = take().text;
    if (name == "true" || name == "True" || name == "false" || name == "False") {
      node->constant = name == "true" || name == "True";
    } else if (name != "none" && name != "None") {
      node->kind = ExpressionKind::name;
      node->name = name;
      if (!macros_.empty()) {
        macros_.back()->uses_varargs |= name == "varargs";
        macros_.back()->uses_kwargs |= name == "kwargs";
        macros_.back()->uses_caller |= name == "caller";
      }
    }
  } else if (token.kind == TokenKind::string) {
    std::string text;
    while (at_kind(TokenKind::string)) text += take().text;
    node->constant = Value(std::move(text));
  } else if (token.kind == TokenKind::integer) {
    std::int64_t number = 0;
    std::from_chars(token.text.data(), token.text.data() + token.text.size(), number);
    node->constant = Value(number);
    take();
  } else if (token.kind == TokenKind::number) {
    double number = 0;
    std::from_chars(token.text.data(), token.text.data() + token.text.size(), number);
    node->constant = Value(number);
    take();
  } else {
    refuse("an expression was expected");
  }
  return node;
}

bool Parser::tuple_ends(std::initializer_list<std::string_view> end_names) const {
  return at_kind(TokenKind::variable_end) || at_kind(TokenKind::block_end) || at_op(")") ||
         at_any_name(end_names);
}

ExpressionPtr Parser::parse_tuple(bool with_condition,
                                  std::initializer_list<std::string_view> end_names,
                                  bool parentheses) {
  auto tuple = make(ExpressionKind::tuple, current().at);
  bool commas = false;
  while (!tuple_ends(end_names)) {
    add_part(*tuple, parse_expression(with_condition));
    if (!skip_op(",")) break;
    commas = true;
  }
  if (commas) return tuple;
  if (!tuple->parts.empty()) return std::move(tuple->parts[0]);
  if (!parentheses) refuse("an expression was expected");
  return tuple;
}

ExpressionPtr Parser::parse_list() {
  auto node = make(ExpressionKind::list, take().at);
  while (!at_op("]")) {
    add_part(*node, parse_expression());
    if (!skip_op(",")) break;
  }
  expect_op("]");
  return node;
}

ExpressionPtr Parser::parse_dict() {
  auto node = make(ExpressionKind::dict, take().at);
  while (!at_op("}")) {
    add_part(*node, parse_expression());
    expect_op(":");
    add_part(*node, parse_expression());
    if (!skip_op(",")) break;
  }
  expect_op("}");
  return node;
}

ExpressionPtr Parser::parse_postfix(ExpressionPtr node) {
  for (;;) {
    const std::size_t at = current().at;
    if (skip_op(".")) {
      auto attribute = make(ExpressionKind::attribute, at);
      if (at_kind(TokenKind::integer)) {
        attribute->kind = ExpressionKind::subscript;
        auto index = parse_primary();
        add_part(*attribute, std::move(node));
        add_part(*attribute, std::move(index));
      } else {
        attribute->name = expect_name();
        add_part(*attribute, std::move(node));
      }
      node = std::move(attribute);
    } else if (at_op("[")) {
      node = parse_subscript(std::move(node));
    } else if (at_op("(")) {
      auto call = make(ExpressionKind::call, at);
      set_call(*call, parse_call_parts());
      add_part(*call, std::move(node));
      node = std::move(call);
    } else {
      return node;
    }
  }
}

ExpressionPtr Parser::parse_subscript(ExpressionPtr object) {
  auto node = make(ExpressionKind::subscript, take().at);
  add_part(*node, std::move(object));
  ExpressionPtr first;
  if (!at_op(":")) first = parse_expression();
  if (!at_op(":")) {
    add_part(*node, std::move(first));
    if (at_op(",")) refuse("subscripts with a comma are not supported: ']' was expected");
    expect_op("]");
    return node;
  }
  node->kind = ExpressionKind::slice;
  add_part(*node, std::move(first));
  for (int k = 0; k < 2; ++k) {
    ExpressionPtr bound;
    if (skip_op(":") && !at_op(":") && !at_op("]")) bound = parse_expression();
    add_part(*node, std::move(bound));
  }
  expect_op("]");
  return node;
}

CallParts Parser::parse_call_parts() {
  const Nesting nesting(*this);
  CallParts call;
  expect_op("(");
  while (!at_op(")")) {
    if (at_op("*") || at_op("**")) {
      auto& slot = take().text == "*" ? call.star : call.star_star;
      if (slot || call.star_star)
        refuse("only one * and one ** argument, at the end, are possible");
      slot = parse_expression();
    } else if (at_kind(TokenKind::name) && ahead().kind == TokenKind::op && ahead().text == "=") {
      if (call.star_star) refuse("no argument may follow **");
      std::string name = take().text;
      take();
      call.named.emplace_back(std::move(name), parse_expression());
    } else {
      if (call.star || call.star_star || !call.named.empty())
        refuse("a positional argument may not follow a named one");
      call.positional.push_back(parse_expression());
    }
    if (!skip_op(",")) break;
  }
  expect_op(")");
  return call;
}

ExpressionPtr Parser::parse_filters(ExpressionPtr node) {
  for (;;) {
    if (skip_op("|")) {
      node = parse_one_filter(std::move(node));
    } else if (at_name("is")) {
      node = parse_test(std::move(node));
    } else if (at_op("(")) {
      auto call = make(ExpressionKind::call, current().at);
      set_call(*call, parse_call_parts());
      add_part(*call, std::move(node));
      node = std::move(call);
    } else {
      return node;
    }
  }
}

ExpressionPtr Parser::parse_one_filter(ExpressionPtr node) {
  auto filter = make(ExpressionKind::filter, current().at);
  filter->name = expect_name();
  filter->filter = find_filter(filter->name);
  if (filter->filter == nullptr) {
    throw SyntaxError(fmt::format("pith does not know the filter '{}'; it knows {}", filter->name,
                                  filter_names()),
                      filter->at);
  }
  add_part(*filter, std::move(node));
  if (at_op("(")) set_call(*filter, parse_call_parts());
  return filter;
}

ExpressionPtr Parser::parse_test(ExpressionPtr node) {
  const std::size_t at = take().at;
  const bool negated = skip_name("not");
  auto test = make(ExpressionKind::test, at);
  const std::size_t name_at = current().at;
  test->name = expect_name();
  test->test = find_test(test->name);
  if (test->test == nullptr) {
    throw SyntaxError(
        fmt::format("pith does not know the test '{}'; it knows {}", test->name, test_names()),
        name_at);
  }
  add_part(*test, std::move(node));
  if (at_op("(")) {
    set_call(*test, parse_call_parts());
  } else if (at_kind(TokenKind::string) || at_kind(TokenKind::integer) ||
             at_kind(TokenKind::number) || at_op("[") || at_op("{") ||
             (at_kind(TokenKind::name) &&
              !at_any_name({"else", "or", "and", "if", "is", "in", "not", "recursive"}))) {
    CallParts call;
    call.positional.push_back(parse_postfix(parse_primary()));
    set_call(*test, std::move(call));
  }
  if (!negated) return test;
  auto inverse = make(ExpressionKind::logical_not, at);
  add_part(*inverse, std::move(test));
  return inverse;
}

}  // namespace pith::jinja
