// What is known of a single turn, on a tiny model.
#include "engine/conversation/turn_block.h"

#include <gtest/gtest.h>

#include <numeric>

#include "support/tiny_model.h"

namespace pith {
namespace {

std::vector<Token> some_tokens(Index count) {
  std::vector<Token> tokens;
  for (Index i = 0; i < count; ++i) tokens.push_back(static_cast<Token>((i * 37 + 11) % 250));
  return tokens;
}

// Nothing is known of how much the model expected the tokens before the turn.
TEST(TurnSignals, AReplayWithoutPredictionHasTheTurnsMeanSurprisal) {
  const auto file = test::tiny_model({});
  Context context(Engine::from(gguf::File::parse(file, "tiny"), {.threads = 1}));
  context.read(some_tokens(60));
  recipe::SignalNeeds needs;
  needs.surprisal = true;
  needs.replay_queries = {1000};  // all of them
  const auto signals = read_turn(context, some_tokens(20), needs, {.prefix_tokens = 4});
  const float of_turn = std::reduce(signals.surprisal.begin() + 60, signals.surprisal.end()) / 20;
  const auto& replayed = signals.replay_queries.front().surprisal;
  EXPECT_FLOAT_EQ(replayed.front(), of_turn);                  // of what asks for the repetition
  EXPECT_FLOAT_EQ(replayed.back(), of_turn);                   // nothing follows it
  EXPECT_EQ(*(replayed.end() - 2), signals.surprisal.back());  // predicts the last token
}

}  // namespace
}  // namespace pith
