// What recipes ask of single turns, and what blocks then take.
#include "engine/conversation/turn_recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/conversation/turn_block.h"
#include "recipe/stage.h"
#include "support/error_of.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

TEST(TurnRecipe, BudgetsCountAgainstTheTurn) {
  const cache::Shape shape{.layers = 1, .kv_heads = 1, .head_dim = 64};
  const auto of = [&](const char* recipe, Index tokens) {
    const std::string text = of_turn(recipe::Recipe::parse(recipe), shape, tokens).to_string();
    return text.substr(text.find(" @ "));
  };
  EXPECT_EQ(of("knorm @ 0.75", 100), " @ 0.75");
  EXPECT_EQ(of("knorm @ 0.75", 4), " @ 2tok");  // kFewestOfTurn
  EXPECT_EQ(of("knorm @ 10tok", 100), " @ 10tok");
  EXPECT_EQ(of("knorm @ 2x", 65), " @ 32tok");  // 256 bytes of 260
}

TEST(TurnRecipe, FractionsStayFractionsOfWhatIsThere) {
  const cache::Shape shape{.layers = 1, .kv_heads = 1, .head_dim = 64};
  const auto of = [&](const char* recipe, Index tokens) {
    std::string budgets;
    for (const recipe::Stage& stage :
         recipe::read_stages(of_turn(recipe::Recipe::parse(recipe), shape, tokens).to_string()))
      if (stage.budget) budgets += " @ " + to_string(*stage.budget);
    return budgets;
  };
  EXPECT_EQ(of("knorm @ 0.75 then random @ 0.5", 100), " @ 0.75 @ 0.5");
  EXPECT_EQ(of("knorm @ 0.75 then random @ 0.75", 20), " @ 0.75 @ 2tok");  // of 5
  EXPECT_EQ(of("knorm @ 2x then random @ 0.5", 65), " @ 32tok @ 0.5");
  EXPECT_EQ(of("knorm @ 0.5 then random @ 4x", 65), " @ 0.5 @ 16tok");  // of the turn's bytes
  EXPECT_EQ(of("knorm + int8 @ 4x then random @ 0.5", 512), " @ 32KiB @ 0.5");
  EXPECT_EQ(of("virtual(ratio=2) then knorm @ 0.5", 64), " @ 0.5");
  EXPECT_EQ(of("knorm @ 64KiB then random @ 0.5", 512), " @ 64KiB @ 0.5");
  EXPECT_EQ(of("knorm @ 10tok then random @ 0.75", 4), " @ 10tok @ 2tok");
}

TEST(TurnRecipe, RoundingAsOfWholeDocumentsIsRefused) {
  for (const char* recipe :
       {"snapkv + chunk_mean(quirk=kvpress) @ 0.5", "snapkv + pyramid(quirk=kvpress) @ 0.5"})
    EXPECT_THAT(test::error_of([&] { check_turn_recipe(recipe::Recipe::parse(recipe)); }),
                ::testing::HasSubstr("not turn by turn; leave out quirk=kvpress"))
        << recipe;
  EXPECT_NO_THROW(check_turn_recipe(recipe::Recipe::parse("snapkv + chunk_mean @ 0.5")));
}

TEST(TurnRecipe, PackedRatiosAreBytes) {
  const cache::Shape shape{.layers = 1, .kv_heads = 1, .head_dim = 64};
  const auto of = [&](const char* recipe, Index tokens) {
    const std::string text = of_turn(recipe::Recipe::parse(recipe), shape, tokens).to_string();
    return text.substr(text.find("int4"));
  };
  EXPECT_EQ(of("knorm + int4 @ 4x", 128), "int4(sinks=0, recent=0) @ 8KiB");  // 256 bytes / 4 each
  EXPECT_EQ(of("knorm + int4(recent=16) @ 4x", 128), "int4(sinks=0, recent=16) @ 8KiB");
  EXPECT_EQ(of("knorm + int4 @ 4x", 4),
            "int4(sinks=0, recent=0) @ 1KiB");  // exact: less than a tile
  EXPECT_EQ(of("knorm + int4 @ 0.75", 100), "int4(sinks=0, recent=0) @ 0.75");
}

class PackedBlocks : public ::testing::TestWithParam<const char*> {
 protected:
  // What a block of so many tokens takes of what they take exactly, and the least that tiles do.
  struct Size {
    Index bytes, exact, tiles;
  };
  Size block(Index tokens) const {
    Context before(engine_);
    before.read(some_tokens(8));
    const TurnBlock block = make_block(before, some_tokens(tokens),
                                       recipe::Recipe::parse(GetParam()), {.prefix_tokens = 8});
    EXPECT_EQ(block.note, "");
    const Index lanes = 4;
    // Of int4: a tile of 16 entries, its centre, tables; twice where entries may have weights.
    return {block.entries.bytes().total(), tokens * lanes * 4 * 64, lanes * 2 * 1800};
  }
  static std::vector<Token> some_tokens(Index count) {
    std::vector<Token> tokens;
    for (Index i = 0; i < count; ++i) tokens.push_back(static_cast<Token>((i * 37 + 11) % 250));
    return tokens;
  }

  std::vector<std::byte> file_ = test::tiny_model({.head_dim = 64, .context = 1024});
  std::shared_ptr<Engine> engine_ = Engine::from(gguf::File::parse(file_, "tiny"), {.threads = 2});
};

TEST_P(PackedBlocks, TakeNoMoreThanTheirShare) {
  for (const Index tokens : {60, 130, 300}) {
    const Size size = block(tokens);
    EXPECT_LE(size.bytes, size.exact / 4) << tokens;
    EXPECT_GE(size.bytes, size.exact / 6) << tokens;
  }
}

TEST_P(PackedBlocks, OfShortTurnsTakeATileOfALane) {
  const Size size = block(20);
  EXPECT_LE(size.bytes, size.tiles);
  EXPECT_LT(size.bytes, size.exact);
}

INSTANTIATE_TEST_SUITE_P(Recipes, PackedBlocks,
                         ::testing::Values("knorm + int4 @ 4x", "knorm + global + int4 @ 4x",
                                           "kvzip_plus + global + match + int4 @ 4x",
                                           "knorm + int4(cold=0.5) @ 4x"));

}  // namespace
}  // namespace pith
