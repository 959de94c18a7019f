#include "pith/conversation.h"

#include <fmt/format.h>

#include <mutex>
#include <stop_token>
#include <utility>

#include "api/answers.h"
#include "api/handles.h"
#include "base/error.h"
#include "engine/conversation/conversation.h"
#include "recipe/recipe.h"

namespace pithkv {
namespace {

pith::cache::Format cold_format(const std::string& name) {
  using pith::cache::Format;
  if (name == "int4") return Format::int4;
  if (name == "int2") return Format::int2;
  pith::fail(ErrorCode::bad_input,
             fmt::format("cold=\"{}\": int4, int2 or nothing was expected", name));
}

pith::ConversationOptions options_of(const ConversationOptions& options) {
  const auto expect = [](bool holds, const std::string& otherwise) {
    if (!holds) pith::fail(ErrorCode::bad_input, otherwise);
  };
  expect(options.over_bytes >= 0,
         fmt::format("over_bytes={}: 0 or more bytes were expected", options.over_bytes));
  expect(
      options.evict_to > 0 && options.evict_to <= 1,
      fmt::format("evict_to={}: a share above 0, and at most 1, was expected", options.evict_to));
  expect(options.recall_entries >= 0,
         fmt::format("recall_entries={}: 0 or more entries were expected", options.recall_entries));
  expect(!options.cold.empty() || options.cold_folder.empty(),
         "cold_folder is for what is kept cold; give cold=\"int4\" or \"int2\" as well");
  pith::ConversationOptions out;
  out.system = options.system;
  out.recipe = pith::recipe::Recipe::parse(options.recipe);
  out.over_bytes = options.over_bytes;
  out.evict_to = options.evict_to;
  out.store = options.store;
  if (!options.cold.empty()) out.cold = cold_format(options.cold);
  out.cold_folder = options.cold_folder;
  out.recall_entries = options.recall_entries;
  out.generation = generation_of(options);
  return out;
}

}  // namespace

struct ConversationState {
  ConversationState(std::shared_ptr<SharedEngine> engine, pith::ConversationOptions options)
      : shared(std::move(engine)), talk(shared->engine, std::move(options)) {}
  ConversationState(std::shared_ptr<SharedEngine> engine, pith::Context saved,
                    pith::ConversationOptions options)
      : shared(std::move(engine)), talk(std::move(saved), std::move(options)) {}

  // Runs `work` as the only one that uses the engine, or this conversation.
  template <typename F>
  auto in_turn(F&& work) {
    return shared->in_turn([&] {
      struct Drop {  // accounts and notes tell what is told of single turns
        pith::Conversation& talk;
        ~Drop() { talk.take_reports(); }
      } drop{talk};
      return work();
    });
  }

  // Of work that is asked for now: a stop() ends it, even one that comes before its turn does.
  std::stop_token stop_token() {
    const std::lock_guard lock(stopping);
    return compressing.get_token();
  }
  void request_stop() {
    const std::lock_guard lock(stopping);
    compressing.request_stop();
    compressing = std::stop_source();
  }

  std::shared_ptr<SharedEngine> shared;
  pith::Conversation talk;
  std::mutex stopping;
  std::stop_source compressing;  // every compress_now() since the last stop()
};

Conversation::Conversation(std::unique_ptr<ConversationState> state) : state_(std::move(state)) {}
Conversation::Conversation(Conversation&&) noexcept = default;
Conversation& Conversation::operator=(Conversation&&) noexcept = default;
Conversation::~Conversation() = default;

Conversation::Conversation(const Engine& engine, const ConversationOptions& options)
    : Conversation(Handles::of(engine)->in_turn([&] {
        return std::make_unique<ConversationState>(Handles::of(engine), options_of(options));
      })) {}

Conversation Conversation::load(const Engine& engine, const std::filesystem::path& file,
                                const ConversationOptions& options) {
  const auto& shared = Handles::of(engine);
  return shared->in_turn([&] {
    auto wanted = options_of(options);
    return Conversation(std::make_unique<ConversationState>(
        shared, pith::Context::load(shared->engine, file), std::move(wanted)));
  });
}

void Conversation::save(const std::filesystem::path& file) {
  state_->in_turn([&] { state_->talk.save(file); });
}

Answer Conversation::say(std::string_view text, const OnText& on_text) {
  return state_->in_turn([&] {
    return answer(on_text, [&](const OnText& guarded) { return state_->talk.say(text, guarded); });
  });
}

void Conversation::compress_in_background() {
  state_->in_turn([&] { state_->talk.compress_in_background(); });
}

void Conversation::compress_now() {
  const std::stop_token stop = state_->stop_token();
  state_->in_turn([&] { state_->talk.compress_now(stop); });
}

void Conversation::stop() {
  state_->request_stop();
  state_->in_turn([&] { state_->talk.stop(); });
}

bool Conversation::working() const {
  return state_->in_turn([&] { return state_->talk.working(); });
}

ConversationAccount Conversation::account() const {
  return state_->in_turn([&] {
    const pith::ConversationAccount now = state_->talk.account();
    const pith::Context& context = state_->talk.context();
    ConversationAccount out;
    out.turns = now.turns;
    out.compressed = now.compressed;
    out.from_store = now.from_store;
    out.stored = now.stored;
    out.fallbacks = now.fallbacks;
    out.evictions = now.evictions;
    out.evicted = now.evicted;
    out.recalled = now.recalled;
    out.compress_seconds = now.compress_seconds;
    out.recall_seconds = now.recall_seconds;
    out.cold_entries = now.cold_entries;
    out.cold_bytes = now.cold_bytes;
    out.tokens = context.next_position();
    out.entries = context.cache().entries();
    out.cache_bytes = context.cache().bytes().total();
    out.full_bytes = context.cache().full_bytes();
    return out;
  });
}

std::vector<std::string> Conversation::take_notes() {
  return state_->in_turn([&] { return state_->talk.take_notes(); });
}

}  // namespace pithkv
