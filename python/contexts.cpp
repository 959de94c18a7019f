// Engine and Context: read a document once, fork it, compress it, ask.

#include <fmt/format.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/unique_ptr.h>

#include <optional>

#include "base/error.h"
#include "bindings.h"
#include "engine/compress.h"
#include "engine/generate.h"
#include "engine/prompt.h"
#include "hub/hub.h"
#include "kernels/isa.h"
#include "recipe/recipe.h"

namespace pithkv {
namespace {

using namespace nb::literals;

EngineHandle load(const std::string& model, int threads, bool exact, bool ignore_batch_size) {
  const nb::gil_scoped_release release;
  auto shared = std::make_shared<SharedEngine>();
  shared->engine =
      pith::Engine::load(pith::hub::Hub().resolve(model),
                         {.threads = threads,
                          .numerics = exact ? pith::Numerics::exact : pith::Numerics::fast,
                          .ignore_batch_size = ignore_batch_size});
  return shared;
}

// What was read, shared by all forks.
struct Reading {
  EngineHandle shared;
  pith::DocumentPrompt prompt;
  pith::recipe::Signals signals;
};

struct Context {
  std::shared_ptr<Reading> reading;
  pith::Context context;
  std::string recipe = "full";
  bool compressed = false;

  SharedEngine& shared() const { return *reading->shared; }
};

std::unique_ptr<Context> read(const EngineHandle& shared, const std::string& document,
                              const std::vector<std::string>& recipes, const std::string& system) {
  return compute(*shared, [&] {
    pith::recipe::SignalNeeds needs;
    for (const auto& text : recipes) needs |= pith::recipe::Recipe::parse(text).needs();
    auto reading = std::make_shared<Reading>(
        Reading{shared, pith::DocumentPrompt(*shared->engine, document, system), {}});
    auto context = std::make_unique<Context>(Context{reading, pith::Context(shared->engine)});
    reading->signals = pith::read_document(context->context, reading->prompt.context(), needs,
                                           reading->prompt.read_options());
    return context;
  });
}

std::unique_ptr<Context> fork(const Context& self) {
  return compute(self.shared(), [&] {
    return std::make_unique<Context>(
        Context{self.reading, self.context.fork(), self.recipe, self.compressed});
  });
}

std::unique_ptr<Context> compress(const Context& self, const std::string& text,
                                  const std::optional<std::string>& question) {
  return compute(self.shared(), [&] {
    const auto recipe = pith::recipe::Recipe::parse(text);
    if (self.compressed)
      pith::fail(pith::ErrorCode::bad_input,
                 fmt::format("this context is compressed already, by `{}`; compress the one that "
                             "was read, stages chain with `then`",
                             self.recipe));
    std::optional<pith::recipe::Signals> seen;  // with the question's
    if (recipe.sees_question()) {
      if (!question)
        pith::fail(pith::ErrorCode::bad_input,
                   fmt::format("`{}` looks at the question; pass question=", recipe.name()));
      seen = self.reading->signals;
      pith::observe_question(self.context, self.reading->prompt.question(*question), *seen);
    }
    auto smaller = std::make_unique<Context>(
        Context{self.reading, self.context.fork(), recipe.name(), !recipe.is_full()});
    pith::compress(smaller->context, recipe, seen ? *seen : self.reading->signals);
    return smaller;
  });
}

struct Answer {
  std::string text, stop_reason;
  std::vector<pith::Token> tokens;
  double seconds;
};

Answer ask(const Context& self, const std::string& question, pith::Index max_tokens,
           double temperature, std::uint64_t seed, const std::vector<std::string>& stop) {
  return compute(self.shared(), [&] {
    pith::Context fork = self.context.fork();
    fork.read(self.reading->prompt.question(question));
    auto made = pith::generate(fork, {.max_tokens = max_tokens,
                                      .sampling = {.temperature = temperature, .seed = seed},
                                      .stop = stop});
    return Answer{made.text, std::string(pith::to_string(made.reason)), made.tokens, made.seconds};
  });
}

void bind_engine(nb::module_& m) {
  nb::class_<SharedEngine>(
      m, "Engine",
      "A model with its tokenizer and threads. `model` is a name of `pith pull --list` or the path "
      "of a GGUF file. One call computes at a time; others wait without holding the GIL.")
      .def(
          nb::new_(&load), "model"_a, "threads"_a = 0, "exact"_a = false,
          "ignore_batch_size"_a = false,
          "Raises Error (not_found, bad_file, bad_model). threads=0 takes one per core; exact=True "
          "computes in f32; ignore_batch_size=True is what the functions for sweeps need.")
      .def_prop_ro("name", [](const SharedEngine& e) { return e.engine->config().name; })
      .def_prop_ro("layers", [](const SharedEngine& e) { return e.engine->config().layer_count(); })
      .def_prop_ro("kv_heads", [](const SharedEngine& e) { return e.engine->config().kv_heads; })
      .def_prop_ro("head_dim", [](const SharedEngine& e) { return e.engine->config().head_dim; })
      .def_prop_ro("context_length",
                   [](const SharedEngine& e) { return e.engine->config().context_length; })
      .def_prop_ro(
          "model_hash",
          [](const SharedEngine& e) { return fmt::format("{:016x}", e.engine->model().hash()); })
      .def_prop_ro("numerics",
                   [](const SharedEngine& e) {
                     return e.engine->options().numerics == pith::Numerics::exact ? "exact"
                                                                                  : "fast";
                   })
      .def_prop_ro("isa",
                   [](const SharedEngine&) { return std::string(to_string(pith::active_isa())); })
      .def(
          "tokenize",
          [](const SharedEngine& e, const std::string& text) {
            return e.engine->tokenizer().encode(text);
          },
          "text"_a, "Token ids of a text, control tokens not read: list of T ints.")
      .def("read", &read, "document"_a, "recipes"_a = std::vector<std::string>{}, "system"_a = "",
           "Reads a document in the model's chat template and returns its Context, before any "
           "question is known. Signals are collected for `recipes`, the ones that compress() will "
           "be given. Raises Error (bad_input, bad_recipe).");
}

void bind_context(nb::module_& m) {
  nb::class_<Answer>(m, "Answer", "What a context wrote.")
      .def_ro("text", &Answer::text)
      .def_ro("tokens", &Answer::tokens, "Ids, the end token included: list of ints.")
      .def_ro("stop_reason", &Answer::stop_reason,
              "end_of_text, stop_string, max_tokens or context_full.")
      .def_ro("seconds", &Answer::seconds, "Of decoding.")
      .def("__repr__", [](const Answer& a) {
        return fmt::format("Answer({:?}, stop_reason='{}')", a.text, a.stop_reason);
      });
  nb::class_<Context>(m, "Context",
                      "A document that was read, and its KV cache. Made by Engine.read().")
      .def("fork", &fork, "A context with the same past; costs no entry memory.")
      .def("compress", &compress, "recipe"_a, "question"_a = nb::none(),
           "Returns a compressed fork; this context stays whole. Recipes that look at the question "
           "need it. Raises Error (bad_recipe, bad_budget, bad_input).")
      .def("ask", &ask, "question"_a, "max_tokens"_a = 64, "temperature"_a = 0.0, "seed"_a = 0,
           "stop"_a = std::vector<std::string>{},
           "Answers on a fork: the context can be asked again. temperature=0 takes the likeliest "
           "token. Raises Error (bad_input).")
      .def_ro("recipe", &Context::recipe)
      .def_prop_ro(
          "tokens", [](const Context& c) { return c.context.next_position(); },
          "Tokens read, chat template included.")
      .def_prop_ro(
          "entries", [](const Context& c) { return c.context.cache().entries(); },
          "Entries of the cache, over all layers and KV heads.")
      .def_prop_ro(
          "cache_bytes", [](const Context& c) { return c.context.cache().bytes().total(); },
          "Bytes allocated.")
      .def_prop_ro(
          "full_bytes", [](const Context& c) { return c.context.cache().full_bytes(); },
          "Bytes of the full bf16 cache of the same tokens.")
      .def("__repr__", [](const Context& c) {
        return fmt::format("Context(tokens={}, recipe='{}', cache_bytes={})",
                           c.context.next_position(), c.recipe, c.context.cache().bytes().total());
      });
}

}  // namespace

void bind_contexts(nb::module_& m) {
  bind_engine(m);
  bind_context(m);
  m.def(
      "canonical_recipe",
      [](const std::string& text) { return pith::recipe::Recipe::parse(text).to_string(); },
      "recipe"_a, "A recipe with presets expanded. Raises Error (bad_recipe, bad_budget).");
}

}  // namespace pithkv
