// Conversation: turns that are compressed once each, in the background if so wished.

#include <fmt/format.h>

#include <optional>

#include "bindings.h"
#include "pith/pith.h"

namespace pithkv {
namespace {

using namespace nb::literals;
using Path = std::filesystem::path;

// Ends without the interpreter's lock: a thread of its own may have to end its step first.
class BoundConversation : public Conversation {
 public:
  explicit BoundConversation(Conversation&& conversation) : Conversation(std::move(conversation)) {}
  BoundConversation(BoundConversation&&) = default;
  ~BoundConversation() {
    const nb::gil_scoped_release release;
    const Conversation ended(std::move(static_cast<Conversation&>(*this)));
  }
};

BoundConversation start(const Engine& engine, const std::string& system, const std::string& recipe,
                        std::int64_t over_bytes, double evict_to, const Path& store,
                        const std::string& cold, const Path& cold_folder,
                        std::int64_t recall_entries, std::int64_t max_tokens, double temperature,
                        std::uint64_t seed, const std::vector<std::string>& stop,
                        const std::optional<Path>& load) {
  const nb::gil_scoped_release release;
  const ConversationOptions options{.system = system,
                                    .recipe = recipe,
                                    .over_bytes = over_bytes,
                                    .evict_to = evict_to,
                                    .store = store,
                                    .cold = cold,
                                    .cold_folder = cold_folder,
                                    .recall_entries = recall_entries,
                                    .max_tokens = max_tokens,
                                    .temperature = temperature,
                                    .seed = seed,
                                    .stop = stop};
  return BoundConversation(load ? Conversation::load(engine, *load, options)
                                : Conversation(engine, options));
}

Answer say(BoundConversation& self, std::string_view text,
           const std::optional<nb::callable>& on_text) {
  const nb::gil_scoped_release release;
  return self.say(text, told_text(on_text));
}

void bind_account(nb::module_& m) {
  using Account = ConversationAccount;
  nb::class_<Account>(
      m, "ConversationAccount",
      "What a conversation did since it began or was loaded, and what is there now.")
      .def_ro("turns", &Account::turns)
      .def_ro("compressed", &Account::compressed, "Finished turns the recipe was carried out on.")
      .def_ro("from_store", &Account::from_store, "... that were found in the store.")
      .def_ro("stored", &Account::stored, "... that were written there.")
      .def_ro("fallbacks", &Account::fallbacks, "... for which it could not be done as asked.")
      .def_ro("evictions", &Account::evictions, "Times.")
      .def_ro("evicted", &Account::evicted, "Entries.")
      .def_ro("recalled", &Account::recalled, "Entries.")
      .def_ro("compress_seconds", &Account::compress_seconds, "Evicting included.")
      .def_ro("recall_seconds", &Account::recall_seconds)
      .def_ro("cold_entries", &Account::cold_entries, "Now; not part of the cache.")
      .def_ro("cold_bytes", &Account::cold_bytes, "Now; not part of the cache.")
      .def_ro("tokens", &Account::tokens, "Now, chat template included.")
      .def_ro("entries", &Account::entries, "Now, over all layers and KV heads.")
      .def_ro("cache_bytes", &Account::cache_bytes, "Now.")
      .def_ro("full_bytes", &Account::full_bytes, "Of the full bf16 cache of the same tokens.")
      .def("__repr__", [](const Account& a) {
        return fmt::format("ConversationAccount(turns={}, compressed={}, cache_bytes={})", a.turns,
                           a.compressed, a.cache_bytes);
      });
}

}  // namespace

void bind_conversations(nb::module_& m) {
  const ConversationOptions usual;
  bind_account(m);
  nb::class_<BoundConversation>(
      m, "Conversation",
      "Many turns in one cache: finished turns are compressed by `recipe` (budgets count against "
      "the turn), and when the cache is larger than `over_bytes` what the last answer looked at "
      "least is evicted until `evict_to` of that is left. docs/conversations.md tells how.")
      .def(nb::new_(&start), "engine"_a, nb::kw_only(), "system"_a = usual.system,
           "recipe"_a = usual.recipe, "over_bytes"_a = usual.over_bytes,
           "evict_to"_a = usual.evict_to, "store"_a = "", "cold"_a = usual.cold,
           "cold_folder"_a = "", "recall_entries"_a = usual.recall_entries,
           "max_tokens"_a = usual.max_tokens, "temperature"_a = usual.temperature,
           "seed"_a = usual.seed, "stop"_a = usual.stop, "load"_a = nb::none(),
           "over_bytes=0 never evicts. `store`: folder of compressed turns, used again. `cold`: "
           "int4 or int2 keeps what is evicted apart (in `cold_folder` if given), and brings back "
           "what a question looks at. `load`: goes on with a file of save(). Raises Error "
           "(bad_recipe, bad_input, io; of load also not_found, bad_file).")
      .def("say", &say, "text"_a, "on_text"_a = nb::none(),
           "Reads the user's text and returns the Answer. `on_text` is called with each piece of "
           "it; False ends it there. Raises Error (bad_input) when the model's range ends.")
      .def("compress_in_background", &Conversation::compress_in_background, WithoutGil(),
           "Compresses finished turns and evicts, on threads that run only when no other wants a "
           "core; what is done is taken over at the next turn.")
      .def("compress_now", &Conversation::compress_now, WithoutGil(), "The same, until it is done.")
      .def("stop", &Conversation::stop, WithoutGil(),
           "Gives up what either of them is doing; the rest stays exact for now.")
      .def_prop_ro("working", &Conversation::working, WithoutGil(), "In the background.")
      .def("account", &Conversation::account, WithoutGil())
      .def("take_notes", &Conversation::take_notes, WithoutGil(),
           "What went wrong at no turn's cost since the last call, for people: list of str.")
      .def("save", &Conversation::save, "file"_a, WithoutGil(),
           "Writes the cache to a file, which appears whole or not at all. Raises Error (io, "
           "not_found).");
}

}  // namespace pithkv
