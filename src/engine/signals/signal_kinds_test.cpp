// Every kind of signal is collected over what the table of recipe/signal_kinds.cpp says, on a tiny
// model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/conversation/turn_block.h"
#include "engine/reading.h"
#include "engine/signals/stream.h"
#include "recipe/registry.h"
#include "recipe/signal_check.h"
#include "support/error_of.h"
#include "support/signal_needs.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

using recipe::Over;
using recipe::SignalKind;
using recipe::SignalNeeds;
using ::testing::ElementsAre;

class SignalKinds : public ::testing::Test {
 protected:
  static std::vector<Token> some_tokens(Index count) {
    std::vector<Token> tokens;
    for (Index i = 0; i < count; ++i) tokens.push_back(static_cast<Token>((i * 37 + 11) % 250));
    return tokens;
  }
  // With what it is a part of.
  static SignalNeeds needs_of(const SignalKind& kind) {
    SignalNeeds needs = test::needs_of(kind);
    if (needs.tail_attention > 0) needs.window_queries = needs.tail_attention;
    if (needs.replay_chunk > 0) needs.replay = true;
    return needs;
  }
  static std::string missing(const SignalNeeds& needs, const Context& context,
                             const recipe::Signals& signals) {
    return test::error_of([&] { check_signals(needs, "a test", context.cache(), signals); });
  }

  std::vector<std::byte> file_ = test::tiny_model({});
  std::shared_ptr<Engine> engine_ =
      Engine::from(gguf::File::parse(file_, "tiny"), {.threads = 2, .numerics = Numerics::exact});
};

TEST_F(SignalKinds, AreThereOnceADocumentWasRead) {
  for (const SignalKind& kind : recipe::signal_kinds()) {
    if (kind.from.given || kind.from.calibrated) continue;
    SCOPED_TRACE(kind.name);
    const SignalNeeds needs = needs_of(kind);
    Context context(engine_);
    const auto signals =
        read_document(context, some_tokens(60), needs, {.prefix_tokens = 5, .answer_prompt = {}});
    EXPECT_EQ(missing(needs, context, signals), "no error");
  }
}

TEST_F(SignalKinds, AreThereOnceATurnWasRead) {
  for (const SignalKind& kind : recipe::signal_kinds()) {
    if (kind.over == Over::document || kind.from.calibrated) continue;
    if (kind.name == "encoder") continue;  // a file, not a signal: nothing is collected
    SCOPED_TRACE(kind.name);
    const SignalNeeds needs = needs_of(kind);
    Context context(engine_);
    context.read(some_tokens(20));
    const auto signals =
        read_turn(context, some_tokens(40), needs, {.prefix_tokens = 5, .answer_prompt = {}});
    EXPECT_EQ(missing(needs, context, signals), "no error");
  }
}

// All other parts can take part while a document is read or written.
TEST_F(SignalKinds, PartsThatLookAtMoreThanPieces) {
  std::vector<std::string_view> names;
  for (const recipe::PartInfo& part : recipe::parts())
    if (part.needs != nullptr &&
        StreamCollector::beyond(part.needs(recipe::Arguments(part.parameters))) != SignalNeeds{})
      names.push_back(part.name);
  EXPECT_THAT(names, ElementsAre("raw_attention", "question_attention", "reference_attention",
                                 "non_causal", "compactor", "capkv", "finch", "echo", "kvcompose",
                                 "qfilters", "kvzap", "kvgrad", "duo", "triattention", "turn_quota",
                                 "route", "match", "virtual", "learned"));
}

}  // namespace
}  // namespace pith
