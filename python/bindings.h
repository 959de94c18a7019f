// What the files of the Python module share. The module translates: it adds no behaviour of its
// own.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "pith/pith.h"

namespace pithkv {

namespace nb = nanobind;

// Lets other Python threads run during a call.
using WithoutGil = nb::call_guard<nb::gil_scoped_release>;

// Calls Python from a call that lets other threads run: only False stops it, None goes on.
template <typename... A>
std::function<bool(A...)> told(const std::optional<nb::callable>& tell) {
  if (!tell) return {};
  return [&tell](A... all) {
    const nb::gil_scoped_acquire lock;
    return !(*tell)(all...).is(nb::handle(Py_False));
  };
}
inline OnText told_text(const std::optional<nb::callable>& tell) {
  return told<std::string_view>(tell);
}
inline OnProgress told_progress(const std::optional<nb::callable>& tell) {
  return told<std::string_view, std::int64_t, std::int64_t>(tell);
}

// A list of recipes as callers give it: a single one need not be in a list.
using Recipes = std::variant<std::string, std::vector<std::string>>;
inline std::vector<std::string> list_of(Recipes recipes) {
  if (auto* one = std::get_if<std::string>(&recipes)) return {std::move(*one)};
  return std::get<std::vector<std::string>>(std::move(recipes));
}

void bind_contexts(nb::module_& m);       // Engine, Context, Answer
void bind_conversations(nb::module_& m);  // Conversation, ConversationAccount
void bind_sweeps(nb::module_& m);         // suites, RunConfig, runs in pieces

}  // namespace pithkv
