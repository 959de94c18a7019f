#include "pith/context.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/answers.h"
#include "api/handles.h"
#include "api/progress.h"
#include "base/error.h"
#include "engine/compress.h"
#include "engine/guard/guard.h"
#include "engine/guard/span_replay.h"
#include "engine/prompt.h"
#include "engine/reading.h"
#include "recipe/recipe.h"
#include "recipe/signal_kinds.h"

namespace pithkv {
namespace {

using pith::recipe::Recipe;
using pith::recipe::SignalNeeds;
using pith::recipe::Signals;

// What was read, shared by all contexts that follow from it.
struct Reading {
  std::shared_ptr<SharedEngine> shared;
  pith::DocumentPrompt prompt;
  SignalNeeds needs;               // collected for these
  std::optional<Signals> signals;  // none of what comes from a file
};

// What was carried out on a context.
struct Carried {
  std::string recipe{pith::recipe::kFull};     // as it was given
  std::string canonical{pith::recipe::kFull};  // as files name it
  std::string note = {};
};

// Throws what would stop it later, too, but before anything is computed.
SignalNeeds needs_of(const pith::Engine& engine, const std::vector<std::string>& recipes) {
  SignalNeeds needs;
  for (const std::string& text : recipes) {
    const Recipe recipe = Recipe::parse(text);
    pith::refuse_routing_again(recipe);
    if (recipe.risk()) pith::Guard(engine, recipe);
    needs |= recipe.needs();
  }
  needs.rotated_moments = true;  // cheap, and any recipe may turn out to store packed keys
  return needs;
}

}  // namespace

struct ContextState {
  std::shared_ptr<const Reading> reading;
  pith::Context context;
  Carried carried = {};

  SharedEngine& shared() const { return *reading->shared; }
};

namespace {

void check_compressible(const ContextState& state) {
  if (state.carried.canonical != pith::recipe::kFull)
    pith::fail(ErrorCode::bad_input,
               fmt::format("this context is compressed already, by `{}`; compress the one that was "
                           "read, stages chain with `then`",
                           state.carried.recipe));
  if (!state.reading->signals)
    pith::fail(ErrorCode::bad_input,
               "this context comes from a file, which holds no signals for recipes to look at; "
               "read the document again, and compress before saving");
}

[[noreturn]] void refuse_uncollected(const Recipe& recipe) {
  pith::fail(ErrorCode::bad_input,
             fmt::format("`{}` looks at signals that were not collected while the document was "
                         "read; name it in `recipes` when reading (Engine::read)",
                         recipe.name()));
}

}  // namespace

Context Engine::read(std::string_view document, const ReadOptions& options) const {
  return shared_->in_turn([&] {
    const auto& engine = shared_->engine;
    const auto needs = needs_of(*engine, options.recipes);
    auto reading = std::make_shared<Reading>(
        Reading{shared_, pith::DocumentPrompt(*engine, document, options.system), needs, {}});
    pith::Context context(engine);
    pith::ReadOptions how = reading->prompt.read_options();
    how.progress = progress_of(options.on_progress, "reading");
    how.replay_progress = progress_of(options.on_progress, "replaying");
    reading->signals = pith::read_document(context, reading->prompt.context(), needs, how);
    return Context(
        std::make_unique<ContextState>(ContextState{std::move(reading), std::move(context)}));
  });
}

Context Context::load(const Engine& engine, const std::filesystem::path& file) {
  const auto& shared = Handles::of(engine);
  return shared->in_turn([&] {
    std::string recipe;
    auto context = pith::Context::load(shared->engine, file, &recipe);
    if (recipe.empty()) recipe = pith::recipe::kFull;
    // What stands around a question does not depend on the document: any text will do.
    auto reading = std::make_shared<const Reading>(
        Reading{shared, pith::DocumentPrompt(*shared->engine, "-"), {}, {}});
    return Context(std::make_unique<ContextState>(
        ContextState{std::move(reading), std::move(context), {recipe, recipe, {}}}));
  });
}

void Context::save(const std::filesystem::path& file) const {
  state_->shared().in_turn([&] { state_->context.save(file, state_->carried.canonical); });
}

Context::Context(std::unique_ptr<ContextState> state) : state_(std::move(state)) {}
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;
Context::~Context() = default;

Context Context::fork() const {
  return state_->shared().in_turn([&] {
    return Context(std::make_unique<ContextState>(
        ContextState{state_->reading, state_->context.fork(), state_->carried}));
  });
}

Context Context::compress(std::string_view text, const CompressOptions& options) const {
  return state_->shared().in_turn([&] {
    Recipe recipe = Recipe::parse(text);
    check_compressible(*state_);
    const Reading& reading = *state_->reading;
    const Signals* signals = &*reading.signals;
    if (!pith::recipe::covers(reading.needs, recipe.needs())) refuse_uncollected(recipe);
    std::optional<Signals> seen;  // with the question's
    if (recipe.sees_question()) {
      if (!options.question)
        pith::fail(
            ErrorCode::bad_input,
            fmt::format("`{}` looks at the question; compress with a question", recipe.name()));
      signals = &seen.emplace(*signals);
      pith::observe_question(state_->context, reading.prompt.question(*options.question), *seen);
    }
    if (recipe.risk())
      recipe = pith::Guard(*reading.shared->engine, recipe)
                   .choose(state_->context, *signals, reading.prompt.read_options(),
                           progress_of(options.on_progress, "choosing"))
                   .recipe;
    pith::Context smaller = state_->context.fork();
    std::string note =
        pith::compress(smaller, recipe, *signals, progress_of(options.on_progress, "compressing"))
            .note;
    return Context(std::make_unique<ContextState>(
        ContextState{state_->reading,
                     std::move(smaller),
                     {recipe.name(), recipe.to_string(), std::move(note)}}));
  });
}

Check Context::check(const Context& compressed, const OnProgress& on_progress) const {
  return state_->shared().in_turn([&] {
    const Reading& reading = *state_->reading;
    if (state_->carried.canonical != pith::recipe::kFull)
      pith::fail(ErrorCode::bad_input,
                 fmt::format("this context is compressed by `{}`; check against the whole one",
                             state_->carried.recipe));
    if (!reading.signals)
      pith::fail(ErrorCode::bad_input,
                 "this context comes from a file, which does not say where its document begins; "
                 "read the document again to check caches against it");
    if (!std::ranges::equal(compressed.state_->context.tokens(), state_->context.tokens()) ||
        &compressed.state_->shared() != &state_->shared())
      pith::fail(ErrorCode::bad_input,
                 "the two contexts hold different texts, or texts of two engines; check one that "
                 "was compressed from this one");
    const pith::SpanReplay sample(
        state_->context, pith::even_weights(state_->context),
        {.reading = reading.prompt.read_options(),
         .most = pith::kCheckedSpans,
         .progress = progress_of(on_progress, "checking the whole cache")});
    const auto damage = sample.compare(compressed.state_->context,
                                       progress_of(on_progress, "checking the compressed cache"));
    return Check{.repeats = damage.repeats(),
                 .known = damage.known,
                 .rise = damage.rise,
                 .spans = sample.spans()};
  });
}

Answer Context::ask(std::string_view question, const AskOptions& options) const {
  return state_->shared().in_turn([&] {
    const auto generation = generation_of(options);
    pith::Context fork = state_->context.fork();
    fork.read(state_->reading->prompt.question(question));
    return answer(options.on_text,
                  [&](const OnText& on_text) { return pith::generate(fork, generation, on_text); });
  });
}

const std::string& Context::recipe() const { return state_->carried.recipe; }
const std::string& Context::note() const { return state_->carried.note; }
std::int64_t Context::tokens() const { return state_->context.next_position(); }
std::int64_t Context::entries() const { return state_->context.cache().entries(); }
std::int64_t Context::cache_bytes() const { return state_->context.cache().bytes().total(); }
std::int64_t Context::full_bytes() const { return state_->context.cache().full_bytes(); }

std::string canonical_recipe(std::string_view recipe) { return Recipe::parse(recipe).to_string(); }

}  // namespace pithkv
