// What the files of the Python module share. The module translates: it adds no behaviour of its
// own.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <mutex>

#include "engine/engine.h"

namespace pithkv {

namespace nb = nanobind;

// An engine does one thing at a time; Python threads wait here for their turn.
struct SharedEngine {
  std::shared_ptr<pith::Engine> engine;
  std::mutex turn;
};
using EngineHandle = std::shared_ptr<SharedEngine>;

// Runs `work` without the interpreter's lock, as the only one that uses the engine.
template <typename F>
auto compute(SharedEngine& shared, F&& work) {
  const nb::gil_scoped_release release;
  const std::lock_guard<std::mutex> lock(shared.turn);
  return work();
}

void bind_contexts(nb::module_& m);  // Engine, Context, Answer
void bind_sweeps(nb::module_& m);    // suites, RunConfig, runs in pieces

}  // namespace pithkv
