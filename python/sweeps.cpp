// What a sweep needs of pith eval: settings, work items, merging, metrics.

#include "api/handles.h"
#include "base/files.h"
#include "bindings.h"
#include "eval/metrics.h"
#include "eval/predictions.h"
#include "eval/run_config.h"
#include "eval/runner.h"
#include "hub/hub.h"

namespace pithkv {
namespace {

using namespace nb::literals;
using pith::eval::RunConfig;
using pith::eval::RunSummary;
using pith::eval::WorkItem;
using Path = std::filesystem::path;

// As the only one that uses the engine, without the interpreter's lock.
template <typename F>
auto compute(const Engine& engine, F&& work) {
  const nb::gil_scoped_release release;
  SharedEngine& shared = *Handles::of(engine);
  return shared.in_turn([&] { return work(shared.engine); });
}

using EnginePointer = std::shared_ptr<pith::Engine>;

Engine load_for(const RunConfig& config) {
  return Handles::wrap(pith::Engine::load(pith::hub::Hub().resolve(config.model),
                                          pith::eval::engine_options(config)));
}

void record(const Engine& engine, const RunConfig& config, const Path& out) {
  pith::eval::record(
      pith::eval::recorded(config, pith::eval::facts_of(*Handles::of(engine)->engine)), out);
}

std::vector<WorkItem> work_items(const Engine& engine, const RunConfig& config) {
  return compute(engine,
                 [&](const EnginePointer& e) { return pith::eval::work_items(*e, config); });
}

RunSummary run_item(const Engine& engine, const RunConfig& config, pith::Index number,
                    const Path& out) {
  return compute(
      engine, [&](const EnginePointer& e) { return pith::eval::run_item(e, config, number, out); });
}

RunSummary run_suites(const Engine& engine, const RunConfig& config, const Path& out) {
  return compute(
      engine, [&](const EnginePointer& e) { return pith::eval::run_suites(e, config, out, {}); });
}

std::string write_metrics(const Path& out, const std::string& baseline) {
  const nb::gil_scoped_release release;
  const std::string json = pith::eval::metrics_json(
      pith::eval::compute_metrics(pith::eval::read_run(out), baseline), baseline);
  pith::FileWriter writer(out / "metrics.json");
  writer.write(json);
  writer.commit();
  return json;
}

void bind_config(nb::module_& m) {
  nb::class_<RunConfig>(m, "RunConfig", "What a run of `pith eval` is asked to do.")
      .def(nb::init<>())
      .def_rw("model", &RunConfig::model)
      .def_rw("suites", &RunConfig::suites)
      .def_prop_rw(
          "tokens", [](const RunConfig& c) { return c.suite.tokens; },
          [](RunConfig& c, pith::Index tokens) { c.suite.tokens = tokens; })
      .def_prop_rw(
          "contexts", [](const RunConfig& c) { return c.suite.contexts; },
          [](RunConfig& c, pith::Index contexts) { c.suite.contexts = contexts; })
      .def_prop_rw(
          "seed", [](const RunConfig& c) { return c.suite.seed; },
          [](RunConfig& c, std::uint64_t seed) { c.suite.seed = seed; })
      .def_prop_rw(
          "recipes", [](const RunConfig& c) { return c.recipes; },
          [](RunConfig& c, Recipes recipes) { c.recipes = list_of(std::move(recipes)); })
      .def_rw("budgets", &RunConfig::budgets)
      .def_rw("baseline", &RunConfig::baseline)
      .def_rw("twins", &RunConfig::twins)
      .def_rw("question_aware", &RunConfig::question_aware)
      .def_rw("check", &RunConfig::check)
      .def_rw("exact", &RunConfig::exact)
      .def_rw("threads", &RunConfig::threads)
      .def_rw("together", &RunConfig::together)
      .def_rw("out", &RunConfig::out);
  m.def("parse_config", &pith::eval::parse_config, "yaml"_a, "name"_a = "config",
        "Settings from the text of a YAML file; `name` is what messages call it. Raises Error "
        "(bad_input) with the line and the nearest known key.");
}

void bind_runs(nb::module_& m) {
  nb::class_<WorkItem>(m, "WorkItem", "One document with all recipes of a run.")
      .def_ro("number", &WorkItem::number)
      .def_ro("key", &WorkItem::key,
              "Hash of what decides it, recipes aside; its answers are in items/KEY.jsonl.")
      .def_ro("suite", &WorkItem::suite);
  nb::class_<RunSummary>(m, "RunSummary", "What a call did, with its seconds.")
      .def_ro("answered", &RunSummary::answered)
      .def_ro("skipped", &RunSummary::skipped)
      .def_ro("seconds", &RunSummary::seconds)
      .def_prop_ro("kernel_seconds", &RunSummary::kernel_seconds);
  m.def("load_for", &load_for, "config"_a, WithoutGil(),
        "The engine of a run: answers do not depend on what is decoded beside them.");
  m.def("record_config", &record, "engine"_a, "config"_a, "out"_a,
        "Writes out/config.yaml. Raises Error (bad_input) if another run is there.");
  m.def("work_items", &work_items, "engine"_a, "config"_a,
        "The pieces of a run. Raises Error for unknown suites and recipes.");
  m.def("run_eval_item", &run_item, "engine"_a, "config"_a, "number"_a, "out"_a,
        "Answers what is missing of one work item; idempotent. Releases the GIL.");
  m.def("run_eval", &run_suites, "engine"_a, "config"_a, "out"_a,
        "The whole run in this process, into out/predictions.jsonl. Releases the GIL.");
  m.def("merge_runs", &pith::eval::merge_runs, "folders"_a, "out"_a, WithoutGil(),
        "Gathers the predictions of runs, shards and work items into out/predictions.jsonl.");
  m.def("write_metrics", &write_metrics, "out"_a, "baseline"_a = "full",
        "Computes and writes out/metrics.json; returns its text.");
}

}  // namespace

void bind_sweeps(nb::module_& m) {
  bind_config(m);
  bind_runs(m);
  m.def(
      "suites",
      [] {
        nb::list all;
        for (const auto& suite : pith::eval::suites()) {
          nb::dict one;
          one["suite"] = suite.name;
          one["summary"] = suite.summary;
          one["source"] = suite.source;
          one["tasks"] = suite.tasks;
          all.append(one);
        }
        return all;
      },
      "The suites of questions: a list of dicts with suite, summary, source, tasks.");
}

}  // namespace pithkv
