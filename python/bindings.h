// What the files of the Python module share. The module translates: it adds no behaviour of its
// own.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

namespace pithkv {

namespace nb = nanobind;

// Lets other Python threads run during a call.
using WithoutGil = nb::call_guard<nb::gil_scoped_release>;

void bind_contexts(nb::module_& m);       // Engine, Context, Answer
void bind_conversations(nb::module_& m);  // Conversation, ConversationAccount
void bind_sweeps(nb::module_& m);         // suites, RunConfig, runs in pieces

}  // namespace pithkv
