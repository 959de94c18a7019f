// Runs a template's tree within bounds on work, memory, recursion and output. One evaluator renders
// once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/jinja/ast.h"

namespace pith::jinja {

// What a rendering may cost. Defaults fit any sane template; the caller adds to them in proportion
// to its input.
struct Limits {
  std::size_t work = 5'000'000;  // evaluated nodes, and bytes that string functions look at
  std::size_t memory = std::size_t{64} << 20;  // bytes of all values made, dead ones included
  std::size_t output = std::size_t{16} << 20;
  std::size_t iterations = 1'000'000;  // of all loops together
  int depth = 600;                     // of nested evaluation, macro calls included
};

// A RuntimeError with its place.
struct RenderError : std::runtime_error {
  RenderError(const std::string& message, std::size_t offset)
      : std::runtime_error(message), at(offset) {}
  std::size_t at;
};

// raise_exception was called: the message is the template author's.
struct RaisedByTemplate : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Evaluator {
 public:
  Evaluator(const Limits& limits, std::int64_t unix_time)
      : limits_(limits), unix_time_(unix_time) {}
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  void set_variable(std::string_view name, Value value);  // `name` must outlive the evaluator
  // Throws RenderError or RaisedByTemplate.
  std::string render(const Body& body);

  // For the library.
  void spend(std::size_t work);
  void charge(std::size_t bytes);
  Value call(const Value& callee, const Arguments& arguments);
  Value attribute(const Value& object, std::string_view name);
  Value subscript(const Value& object, const Value& key);
  // Keep the result in a variable: a range-for over `*iterate(x)` outlives what it walks.
  std::shared_ptr<const List> iterate(const Value& iterable);
  Value add(const Value& a, const Value& b) { return arithmetic("+", a, b); }
  bool is_equal(const Value& a, const Value& b);
  bool contains(const Value& container, const Value& item);
  std::string text(const Value& value);  // to_text() within bounds
  std::shared_ptr<Namespace> make_namespace();
  std::int64_t unix_time() const { return unix_time_; }

 private:
  struct Scope {
    std::unordered_map<std::string_view, Value> variables;
    std::shared_ptr<Scope> parent;
  };
  using ScopePtr = std::shared_ptr<Scope>;
  enum class Flow { next, break_, continue_ };
  struct Level;

  // evaluator_expression.cpp
  Value evaluate(const Expression& node);
  Value evaluate_node(const Expression& node);
  Value evaluate_comparison(const Expression& node);
  Value evaluate_slice(const Expression& node);
  Value evaluate_filter(const Expression& node, const Value* input);
  Value arithmetic(const std::string& op, const Value& a, const Value& b);
  Arguments evaluate_arguments(const CallParts& call);
  Value lookup(const std::string& name) const;

  // evaluator_statement.cpp
  Flow execute(const Body& body);
  Flow execute(const Statement& statement);
  Flow execute_loop(const Statement& statement);
  Flow run_loop(const Statement& statement, const Value& iterable, int level,
                const ScopePtr& outer);
  void execute_call_block(const Statement& statement);
  void assign(const Target& target, const Value& value);
  std::string capture(const Body& body, const ScopePtr& scope);
  Value make_macro(const std::shared_ptr<Macro>& macro);
  Value invoke_macro(const Macro& macro, const ScopePtr& defined_in, const Arguments& arguments);
  void emit(std::string_view text);
  ScopePtr inner_scope() const;

  Limits limits_;
  std::int64_t unix_time_;
  std::string* out_ = nullptr;
  ScopePtr scope_ = std::make_shared<Scope>();
  std::size_t work_ = 0, memory_ = 0, iterations_ = 0;
  int depth_ = 0;
  std::size_t at_ = 0;  // the place that an error belongs to
  // Whatever can be part of a cycle, or of a chain too long to be destroyed by recursion; taken
  // apart at the end.
  std::vector<std::shared_ptr<Namespace>> namespaces_;
  std::vector<ScopePtr> captured_scopes_;
};

}  // namespace pith::jinja
