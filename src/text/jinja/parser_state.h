// The parser's hands: the lexemes, the place among them, and the checks that expressions and
// statements share. Private to the parser.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"
#include "text/jinja/parser.h"

namespace pith::jinja {

class Parser {
 public:
  explicit Parser(std::vector<Lexeme> lexemes) : lexemes_(std::move(lexemes)) {}
  Body parse_template();

 private:
  // parser_expression.cpp
  ExpressionPtr parse_expression(bool with_condition = true);
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_comparison();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concat();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool with_filters = true);
  ExpressionPtr parse_primary();
  ExpressionPtr parse_postfix(ExpressionPtr node);
  ExpressionPtr parse_subscript(ExpressionPtr object);
  ExpressionPtr parse_filters(ExpressionPtr node);
  ExpressionPtr parse_one_filter(ExpressionPtr node);
  ExpressionPtr parse_test(ExpressionPtr node);
  ExpressionPtr parse_tuple(bool with_condition, std::initializer_list<std::string_view> end_names,
                            bool parentheses);
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  CallParts parse_call_parts();
  bool tuple_ends(std::initializer_list<std::string_view> end_names) const;

  // parser_statement.cpp
  Body parse_body(std::initializer_list<std::string_view> ends);
  std::unique_ptr<Statement> parse_statement();
  void parse_if(Statement& out);
  void parse_for(Statement& out);
  void parse_set(Statement& out);
  void parse_macro(Statement& out);
  void parse_call_block(Statement& out);
  void parse_filter_block(Statement& out);
  void parse_with(Statement& out);
  std::vector<Parameter> parse_parameters();
  Target parse_target(bool with_member, bool with_tuple);
  Target parse_single_target(bool with_member);
  void end_block(std::string_view name);

  const Lexeme& current() const { return lexemes_[next_]; }
  const Lexeme& ahead() const { return lexemes_[std::min(next_ + 1, lexemes_.size() - 1)]; }
  bool at_kind(TokenKind kind) const { return current().kind == kind; }
  bool at_op(std::string_view op) const { return at_kind(TokenKind::op) && current().text == op; }
  bool at_name(std::string_view name) const {
    return at_kind(TokenKind::name) && current().text == name;
  }
  bool at_any_name(std::initializer_list<std::string_view> names) const {
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view name) { return at_name(name); });
  }
  Lexeme take() {
    Lexeme lexeme = current();
    if (next_ + 1 < lexemes_.size()) ++next_;
    return lexeme;
  }
  bool skip_op(std::string_view op) { return at_op(op) && (take(), true); }
  bool skip_name(std::string_view name) { return at_name(name) && (take(), true); }
  void expect_op(std::string_view op) {
    if (!skip_op(op)) refuse(fmt::format("'{}' was expected", op));
  }
  std::string expect_name() {
    if (!at_kind(TokenKind::name)) refuse("a name was expected");
    return take().text;
  }
  void expect_kind(TokenKind kind, std::string_view mark) {
    if (!at_kind(kind)) refuse(fmt::format("'{}' was expected", mark));
    take();
  }
  [[noreturn]] void refuse(const std::string& message) const {
    const Lexeme& found = current();
    const std::string shown = found.kind == TokenKind::end ? "the end of the template"
                                                           : fmt::format("'{:.40}'", found.text);
    throw SyntaxError(fmt::format("{}, found {}", message, shown), found.at);
  }

  ExpressionPtr make(ExpressionKind kind, std::size_t at) const {
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->at = at;
    return node;
  }
  // Appends a part (null is allowed) and keeps the depth within bounds.
  void add_part(Expression& node, ExpressionPtr part) const {
    deepen(node, part);
    node.parts.push_back(std::move(part));
  }
  void set_call(Expression& node, CallParts call) const {
    for (const auto& part : call.positional) deepen(node, part);
    for (const auto& [name, part] : call.named) deepen(node, part);
    deepen(node, call.star);
    deepen(node, call.star_star);
    node.call = std::move(call);
  }
  void deepen(Expression& node, const ExpressionPtr& part) const {
    if (!part) return;
    node.depth = std::max(node.depth, part->depth + 1);
    if (node.depth > kMaxExpressionDepth) {
      throw SyntaxError(fmt::format("an expression is deeper than {} levels", kMaxExpressionDepth),
                        part->at);
    }
  }

  // Counts the recursion of the parser itself.
  struct Nesting {
    explicit Nesting(Parser& owner) : parser(owner) {
      if (++parser.nesting_ > kMaxBrackets) {
        throw SyntaxError(
            fmt::format("brackets or blocks nest deeper than {} levels", kMaxBrackets),
            parser.current().at);
      }
    }
    ~Nesting() { --parser.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    Parser& parser;
  };

  std::vector<Lexeme> lexemes_;
  std::size_t next_ = 0;
  int nesting_ = 0;
  int loops_ = 0;  // around the current place, for break and continue
  std::vector<Macro*> macros_;
};

}  // namespace pith::jinja
