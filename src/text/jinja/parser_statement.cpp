#include "text/jinja/parser_state.h"

namespace pith::jinja {

Body parse(std::string_view source) { return Parser(tokenize(source)).parse_template(); }

Body Parser::parse_template() { return parse_body({}); }

// Up to a block whose first name is one of `ends`, which is left for the caller behind its "{%";
// or, without ends, to the end.
Body Parser::parse_body(std::initializer_list<std::string_view> ends) {
  const Nesting nesting(*this);
  Body body;
  const auto add = [&](StatementKind kind, std::size_t at) -> Statement& {
    body.push_back(std::make_unique<Statement>());
    body.back()->kind = kind;
    body.back()->at = at;
    return *body.back();
  };
  while (!at_kind(TokenKind::end)) {
    if (at_kind(TokenKind::text)) {
      Lexeme text = take();
      add(StatementKind::text, text.at).text = std::move(text.text);
    } else if (at_kind(TokenKind::variable_begin)) {
      Statement& output = add(StatementKind::output, take().at);
      output.expression = parse_tuple(true, {}, false);
      expect_kind(TokenKind::variable_end, "}}");
    } else {
      expect_kind(TokenKind::block_begin, "{%");
      if (ends.size() > 0 && at_any_name(ends)) return body;
      body.push_back(parse_statement());
      expect_kind(TokenKind::block_end, "%}");
    }
  }
  if (ends.size() > 0) refuse(fmt::format("{{% {} %}} was expected", *(ends.end() - 1)));
  return body;
}

void Parser::end_block(std::string_view name) {
  if (!skip_name(name)) refuse(fmt::format("'{}' was expected", name));
}

std::unique_ptr<Statement> Parser::parse_statement() {
  auto statement = std::make_unique<Statement>();
  statement->at = current().at;
  if (!at_kind(TokenKind::name)) refuse("the name of a block was expected");
  const std::string name = current().text;
  if (name == "if") {
    parse_if(*statement);
  } else if (name == "for") {
    parse_for(*statement);
  } else if (name == "set") {
    parse_set(*statement);
  } else if (name == "macro") {
    parse_macro(*statement);
  } else if (name == "call") {
    parse_call_block(*statement);
  } else if (name == "filter") {
    parse_filter_block(*statement);
  } else if (name == "with") {
    parse_with(*statement);
  } else if (name == "break" || name == "continue") {
    if (loops_ == 0) refuse(fmt::format("{} outside of a loop", name));
    take();
    statement->kind = name == "break" ? StatementKind::break_ : StatementKind::continue_;
  } else if (name == "generation") {  // Hugging Face's mark around what the assistant says; it
                                      // prints its body
    take();
    expect_kind(TokenKind::block_end, "%}");
    statement->kind = StatementKind::body;
    statement->body = parse_body({"endgeneration"});
    end_block("endgeneration");
  } else {
    refuse(
        "pith does not know this block (it knows if, for, set, macro, call, filter, with, raw, "
        "break, continue and generation)");
  }
  return statement;
}

void Parser::parse_if(Statement& out) {
  out.kind = StatementKind::branches;
  take();
  for (;;) {
    Branch branch;
    branch.condition = parse_tuple(false, {}, false);
    expect_kind(TokenKind::block_end, "%}");
    branch.body = parse_body({"elif", "else", "endif"});
    out.branches.push_back(std::move(branch));
    if (skip_name("elif")) continue;
    if (skip_name("else")) {
      expect_kind(TokenKind::block_end, "%}");
      out.branches.push_back({nullptr, parse_body({"endif"})});
    }
    return end_block("endif");
  }
}

void Parser::parse_for(Statement& out) {
  out.kind = StatementKind::loop;
  take();
  out.target = parse_target(false, true);
  end_block("in");
  out.expression = parse_tuple(false, {"recursive"}, false);
  if (skip_name("if")) out.condition = parse_expression();
  out.recursive = skip_name("recursive");
  expect_kind(TokenKind::block_end, "%}");
  ++loops_;
  out.body = parse_body({"else", "endfor"});
  --loops_;
  if (skip_name("else")) {
    expect_kind(TokenKind::block_end, "%}");
    out.otherwise = parse_body({"endfor"});
  }
  end_block("endfor");
}

Target Parser::parse_single_target(bool with_member) {
  Target target;
  const std::size_t at = current().at;
  if (skip_op("(")) {
    target = parse_target(with_member, true);
    expect_op(")");
    return target;
  }
  target.name = expect_name();
  for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
    if (target.name == constant)
      throw SyntaxError(fmt::format("can't assign to '{}'", constant), at);
  }
  if (with_member && skip_op(".")) target.member = expect_name();
  return target;
}

Target Parser::parse_target(bool with_member, bool with_tuple) {
  const Nesting nesting(*this);
  Target first = parse_single_target(with_member);
  if (!with_tuple || !at_op(",")) return first;
  Target tuple;
  tuple.parts.push_back(std::move(first));
  while (skip_op(",")) {
    if (at_name("in") || at_op("=") || at_op(")")) break;
    tuple.parts.push_back(parse_single_target(with_member));
  }
  return tuple;
}

void Parser::parse_set(Statement& out) {
  take();
  out.target = parse_target(true, true);
  if (skip_op("=")) {
    out.kind = StatementKind::assign;
    out.expression = parse_tuple(true, {}, false);
    return;
  }
  out.kind = StatementKind::assign_block;
  while (skip_op("|")) out.expression = parse_one_filter(std::move(out.expression));
  expect_kind(TokenKind::block_end, "%}");
  out.body = parse_body({"endset"});
  end_block("endset");
}

std::vector<Parameter> Parser::parse_parameters() {
  std::vector<Parameter> parameters;
  expect_op("(");
  while (!at_op(")")) {
    Parameter parameter;
    parameter.name = expect_name();
    if (skip_op("=")) {
      parameter.fallback = parse_expression();
    } else if (!parameters.empty() && parameters.back().fallback) {
      refuse("a parameter without a default may not follow one with a default");
    }
    parameters.push_back(std::move(parameter));
    if (!skip_op(",")) break;
  }
  expect_op(")");
  return parameters;
}

void Parser::parse_macro(Statement& out) {
  out.kind = StatementKind::macro;
  take();
  out.macro = std::make_shared<Macro>();
  out.macro->name = expect_name();
  macros_.push_back(out.macro.get());
  const int loops = std::exchange(loops_, 0);
  out.macro->parameters = parse_parameters();
  expect_kind(TokenKind::block_end, "%}");
  out.macro->body = parse_body({"endmacro"});
  end_block("endmacro");
  loops_ = loops;
  macros_.pop_back();
}

void Parser::parse_call_block(Statement& out) {
  out.kind = StatementKind::call_block;
  take();
  out.macro = std::make_shared<Macro>();
  out.macro->name = "caller";
  if (at_op("(")) out.macro->parameters = parse_parameters();
  out.expression = parse_expression();
  if (out.expression->kind != ExpressionKind::call)
    throw SyntaxError("a call block needs a call", out.at);
  macros_.push_back(out.macro.get());
  const int loops = std::exchange(loops_, 0);
  expect_kind(TokenKind::block_end, "%}");
  out.macro->body = parse_body({"endcall"});
  end_block("endcall");
  loops_ = loops;
  macros_.pop_back();
}

void Parser::parse_filter_block(Statement& out) {
  out.kind = StatementKind::filter_block;
  take();
  do {
    out.expression = parse_one_filter(std::move(out.expression));
  } while (skip_op("|"));
  expect_kind(TokenKind::block_end, "%}");
  out.body = parse_body({"endfilter"});
  end_block("endfilter");
}

void Parser::parse_with(Statement& out) {
  out.kind = StatementKind::with;
  take();
  while (!at_kind(TokenKind::block_end)) {
    Target target = parse_target(false, false);
    expect_op("=");
    out.assignments.emplace_back(std::move(target), parse_expression());
    if (!skip_op(",")) break;
  }
  expect_kind(TokenKind::block_end, "%}");
  out.body = parse_body({"endwith"});
  end_block("endwith");
}

}  // namespace pith::jinja
