// Engine and Context: read a document once, fork it, compress it, ask.

#include <fmt/format.h>

#include <optional>

#include "bindings.h"
#include "pith/pith.h"

namespace pithkv {
namespace {

using namespace nb::literals;

Engine load(const std::string& model, int threads, bool exact, bool ignore_batch_size) {
  const nb::gil_scoped_release release;
  return Engine::load(model,
                      {.threads = threads, .exact = exact, .ignore_batch_size = ignore_batch_size});
}

Context read(const Engine& self, std::string_view document, Recipes recipes, std::string system,
             const std::optional<nb::callable>& on_progress) {
  const nb::gil_scoped_release release;
  return self.read(document, {.recipes = list_of(std::move(recipes)),
                              .system = std::move(system),
                              .on_progress = told_progress(on_progress)});
}

Context compress(const Context& self, std::string_view recipe, std::optional<std::string> question,
                 const std::optional<nb::callable>& on_progress) {
  const nb::gil_scoped_release release;
  return self.compress(
      recipe, {.question = std::move(question), .on_progress = told_progress(on_progress)});
}

Check check(const Context& self, const Context& compressed,
            const std::optional<nb::callable>& on_progress) {
  const nb::gil_scoped_release release;
  return self.check(compressed, told_progress(on_progress));
}

Answer ask(const Context& self, std::string_view question, std::int64_t max_tokens,
           double temperature, std::uint64_t seed, std::vector<std::string> stop,
           const std::optional<nb::callable>& on_text) {
  const nb::gil_scoped_release release;
  return self.ask(question, {.max_tokens = max_tokens,
                             .temperature = temperature,
                             .seed = seed,
                             .stop = std::move(stop),
                             .on_text = told_text(on_text)});
}

void bind_engine(nb::module_& m) {
  nb::class_<Engine>(
      m, "Engine",
      "A model with its tokenizer and threads. `model` is a name of `pith pull --list` or the path "
      "of a GGUF file. One call computes at a time; others wait without holding the GIL.")
      .def(
          nb::new_(&load), "model"_a, "threads"_a = 0, "exact"_a = false,
          "ignore_batch_size"_a = false,
          "Raises Error (not_found, bad_file, bad_model). threads=0 takes one per core; exact=True "
          "computes in f32; ignore_batch_size=True is what the functions for sweeps need.")
      .def_prop_ro("name", &Engine::name)
      .def_prop_ro("layers", &Engine::layers)
      .def_prop_ro("kv_heads", &Engine::kv_heads)
      .def_prop_ro("head_dim", &Engine::head_dim)
      .def_prop_ro("context_length", &Engine::context_length)
      .def_prop_ro("model_hash", &Engine::model_hash)
      .def_prop_ro("numerics", &Engine::numerics)
      .def_prop_ro("isa", &Engine::isa)
      .def("tokenize", &Engine::tokenize, "text"_a,
           "Token ids of a text, control tokens not read: list of T ints.")
      .def("read", &read, "document"_a, "recipes"_a = std::vector<std::string>{}, "system"_a = "",
           "on_progress"_a = nb::none(),
           "Reads a document in the model's chat template and returns its Context, before any "
           "question is known. Signals are collected for `recipes`, the ones that compress() will "
           "be given (a list, or a single one). `on_progress(what, done, all)` is told how far it "
           "is; False gives up. Raises Error (bad_input, bad_recipe, cancelled).");
}

void bind_answer(nb::module_& m) {
  nb::class_<Answer>(m, "Answer", "What a model wrote.")
      .def_ro("text", &Answer::text)
      .def_ro("tokens", &Answer::tokens, "Ids, the end token included: list of ints.")
      .def_prop_ro(
          "stop_reason", [](const Answer& a) { return to_string(a.stop_reason); },
          "end_of_text, stop_string, max_tokens, context_full, or cancelled (by on_text).")
      .def_ro("seconds", &Answer::seconds, "Of decoding.")
      .def("__repr__", [](const Answer& a) {
        return fmt::format("Answer({:?}, stop_reason='{}')", a.text, to_string(a.stop_reason));
      });
}

void bind_context(nb::module_& m) {
  nb::class_<Check>(m, "Check", "What a compressed cache still repeats of its document.")
      .def_ro("repeats", &Check::repeats,
              "Of the tokens that the whole cache repeats, the share that it does, too; nan where "
              "that is none.")
      .def_ro("known", &Check::known, "Share of the sample that the whole cache repeats.")
      .def_ro("rise", &Check::rise,
              "Of -log p of the sample over the whole cache's, nats per token.")
      .def_ro("spans", &Check::spans, "Of 32 tokens, drawn evenly from the document.")
      .def("__repr__", [](const Check& c) {
        return fmt::format("Check(repeats={:.3f}, known={:.3f}, rise={:.3f}, spans={})", c.repeats,
                           c.known, c.rise, c.spans);
      });
  nb::class_<Context>(m, "Context",
                      "A document that was read, and its KV cache. Made by Engine.read().")
      .def_static("load", &Context::load, "engine"_a, "file"_a, WithoutGil(),
                  "What save() wrote. It answers, but cannot be compressed: signals are not saved. "
                  "Raises Error (not_found, bad_file, bad_input for another model's).")
      .def("save", &Context::save, "file"_a, WithoutGil(),
           "Writes the cache to a file, which appears whole or not at all. Raises Error (io, "
           "not_found).")
      .def("fork", &Context::fork, WithoutGil(),
           "A context with the same past; costs no entry memory.")
      .def("compress", &compress, "recipe"_a, "question"_a = nb::none(),
           "on_progress"_a = nb::none(),
           "Returns a compressed fork; this context stays whole. Recipes that look at the question "
           "need it; `auto` picks the ratio. `on_progress` is told of recipes that optimise and of "
           "`auto`. Raises Error (bad_recipe, bad_budget, bad_input, cancelled).")
      .def("check", &check, "compressed"_a, "on_progress"_a = nb::none(),
           "How much of the document a cache that was compressed from this whole one (read, not "
           "loaded) still repeats: a Check. Raises Error (bad_input, cancelled).")
      .def("ask", &ask, "question"_a, "max_tokens"_a = 64, "temperature"_a = 0.0, "seed"_a = 0,
           "stop"_a = std::vector<std::string>{}, "on_text"_a = nb::none(),
           "Answers on a fork: the context can be asked again. temperature=0 takes the likeliest "
           "token. `on_text` is called with each piece of the text; False ends it there. Raises "
           "Error (bad_input).")
      .def_prop_ro("recipe", &Context::recipe)
      .def_prop_ro("note", &Context::note,
                   "For people: an optimisation that came to nothing; mostly empty.")
      .def_prop_ro("tokens", &Context::tokens, "Tokens read, chat template included.")
      .def_prop_ro("entries", &Context::entries,
                   "Entries of the cache, over all layers and KV heads.")
      .def_prop_ro("cache_bytes", &Context::cache_bytes, "Bytes allocated.")
      .def_prop_ro("full_bytes", &Context::full_bytes,
                   "Bytes of the full bf16 cache of the same tokens.")
      .def("__repr__", [](const Context& c) {
        return fmt::format("Context(tokens={}, recipe='{}', cache_bytes={})", c.tokens(),
                           c.recipe(), c.cache_bytes());
      });
}

}  // namespace

void bind_contexts(nb::module_& m) {
  bind_engine(m);
  bind_answer(m);
  bind_context(m);
  m.def("canonical_recipe", &canonical_recipe, "recipe"_a,
        "A recipe with presets expanded. Raises Error (bad_recipe, bad_budget).");
}

}  // namespace pithkv
