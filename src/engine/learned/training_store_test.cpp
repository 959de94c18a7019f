#include "engine/learned/training_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <fstream>
#include <initializer_list>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "engine/compress.h"
#include "engine/learned/virtual_tokens.h"
#include "engine/model_access.h"
#include "engine/reading.h"
#include "support/test_folder.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

class Stored : public ::testing::Test {
 protected:
  void SetUp() override {
    bytes_ = test::tiny_model({});
    engine_ = Engine::from(gguf::File::parse(bytes_, "tiny"),
                           {.threads = 1, .numerics = Numerics::exact});
    for (Token t = 0; t < 40; ++t) tokens_.push_back((3 + 7 * t) % 256);
  }

  VirtualReport read(Context& context, const OnStep& on_step, const Checkpoint& checkpoint) {
    context.read(std::span(tokens_).first(6));
    return read_as_virtual(context, std::span(tokens_).subspan(6, 12), 0, options_, on_step,
                           checkpoint);
  }
  static std::vector<float> keys_of(const Context& context) {
    std::vector<float> keys(
        static_cast<std::size_t>(context.cache().size(1) * context.cache().shape().head_dim));
    context.cache().read_keys(1, keys);
    return keys;
  }

  std::vector<std::byte> bytes_;
  std::shared_ptr<Engine> engine_;
  const test::TestFolder own_;
  const std::filesystem::path& folder_ = own_.path();
  std::vector<Token> tokens_;
  VirtualOptions options_{.ratio = 2, .steps_per_250 = 0, .least_steps = 8};
};

TEST_F(Stored, AnInterruptedTurnGoesOnToTheSameBits) {
  Context whole(engine_);
  read(whole, {}, {});
  const TrainingStore store(folder_);
  Checkpoint kept{
      .state = {}, .keep = [&](const auto& state) { store.keep("turn", state); }, .seconds = 0};
  Context stopped(engine_);
  read(
      stopped, [](Index step, Index, float) { return step < 5; }, kept);
  kept.state = store.find("turn");
  ASSERT_TRUE(kept.state);
  EXPECT_EQ(kept.state->step, 4);
  Index steps = 0;
  Context resumed(engine_);
  read(
      resumed, [&](Index, Index, float) { return ++steps > 0; }, kept);
  EXPECT_EQ(steps, 5);  // 4 to 8
  EXPECT_EQ(keys_of(resumed), keys_of(whole));
}

TEST_F(Stored, ADamagedFileIsNamed) {
  const TrainingStore store(folder_);
  EXPECT_FALSE(store.find("turn"));
  store.keep("turn", {.step = 1, .numbers = {1, 2}, .adam = Adam(2)});
  EXPECT_EQ(store.find("turn")->numbers, (std::vector<float>{1, 2}));
  std::fstream(folder_ / "turn.turn", std::ios::in | std::ios::out | std::ios::binary).put('X');
  try {
    store.find("turn");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_file);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("turn.turn"));
  }
}

// As docs/formats.md has them: what was kept before goes on.
TEST_F(Stored, FilesAreReadFromTheirBytes) {
  const TrainingStore store(folder_);
  const auto write = [&](const char* name, char version, std::initializer_list<float> rows,
                         std::optional<std::int64_t> hits) {
    std::string text = std::string("PITHVT0") + version;
    const auto add = [&](auto number) {
      text.append(reinterpret_cast<const char*>(&number), sizeof(number));
    };
    for (const std::int64_t n : {7, 2}) add(n);
    for (const float loss : {3.0f, 2.0f}) add(loss);
    for (const double power : {0.5, 0.25}) add(power);
    for (const float x : rows) add(x);
    if (hits) add(*hits);
    add(static_cast<std::uint64_t>(XXH3_64bits(text.data(), text.size())));
    std::ofstream(folder_ / name, std::ios::binary) << text;
  };
  std::filesystem::create_directories(folder_);
  write("values.turn", '1', {1, 2, 3, 4, 5, 6}, {});
  const auto values = store.find("values");
  ASSERT_TRUE(values);
  EXPECT_EQ(values->step, 7);
  EXPECT_EQ(values->first_loss, 3);
  EXPECT_EQ(values->last_loss, 2);
  EXPECT_EQ(values->numbers, (std::vector<float>{1, 2}));
  EXPECT_EQ(values->adam.first, (std::vector<float>{3, 4}));
  EXPECT_EQ(values->adam.second, (std::vector<float>{5, 6}));
  EXPECT_EQ(values->adam.first_power, 0.5);
  EXPECT_EQ(values->adam.second_power, 0.25);
  EXPECT_TRUE(values->best.empty());
  EXPECT_EQ(values->best_hits, -1);

  write("tokens.turn", '2', {1, 2, 3, 4, 5, 6, 7, 8}, 9);
  const auto tokens = store.find("tokens");
  ASSERT_TRUE(tokens);
  EXPECT_EQ(tokens->best, (std::vector<float>{7, 8}));
  EXPECT_EQ(tokens->best_hits, 9);
  store.keep("again", *tokens);
  EXPECT_EQ(read_file(folder_ / "again.turn"), read_file(folder_ / "tokens.turn"));
}

TEST_F(Stored, RecipesShareTheFirstStage) {
  Index steps = 0;
  engine_->set_training_store(std::make_shared<TrainingStore>(
      folder_, [&](Index, Index, Index, Index, float) { ++steps; }));
  const ReadOptions options{.prefix_tokens = 6, .sentence_starts = {0}, .turn_starts = {6, 20, 34}};
  for (const auto* evict : {"random", "recency"}) {
    Context context(engine_);
    const auto recipe = recipe::Recipe::parse(
        std::string("virtual(ratio=2, exact=1, steps=0, least_steps=5) then ") + evict +
        " + pins(turns=1) + positions @ 16tok");
    const auto signals = read_document(context, tokens_, recipe.needs(), options);
    compress(context, recipe, signals);
    EXPECT_EQ(context.cache().size(0), 16);
  }
  EXPECT_EQ(steps, 2 * 6 + 2 * 1);  // the second time only the last iterate is run
}

TEST_F(Stored, AnOptimisationThatCameToNothingIsSaid) {
  const auto note_of = [&](const char* recipe_text) {
    Context context(engine_);
    const auto recipe = recipe::Recipe::parse(recipe_text);
    const auto signals = read_document(context, tokens_, recipe.needs(),
                                       {.prefix_tokens = 6, .sentence_starts = {0}});
    return compress(context, recipe, signals).note;
  };
  EXPECT_THAT(note_of("virtual(ratio=2, steps=0, least_steps=4, lr=1000)"),
              ::testing::HasSubstr("an optimisation went from a loss of"));
  EXPECT_EQ(note_of("virtual(ratio=2, steps=0, least_steps=4)"), "");
}

TEST_F(Stored, TheLastTurnStaysExactOnTopOfTheOthers) {
  Context context(engine_);
  const auto recipe = recipe::Recipe::parse("virtual(ratio=2, exact=1, steps=0, least_steps=2)");
  const auto signals =
      read_document(context, tokens_, recipe.needs(),
                    {.prefix_tokens = 6, .sentence_starts = {0}, .turn_starts = {6, 20, 34}});
  compress(context, recipe, signals);
  EXPECT_EQ(context.cache().size(0), 6 + 7 + 7 + 6);
  EXPECT_EQ(context.cache().read_info(0).back().kind, cache::EntryKind::exact);
}

TEST_F(Stored, ExemptTokensAndWholeTurnsStayExact) {
  for (const auto* how : {"exempt=unlike", "whole_turns=true"}) {
    Context context(engine_);
    const auto recipe =
        recipe::Recipe::parse(std::string("virtual(ratio=2, steps=0, least_steps=2, ") + how + ")");
    const auto signals =
        read_document(context, tokens_, recipe.needs(),
                      {.prefix_tokens = 6, .sentence_starts = {0}, .turn_starts = {6, 16, 34}});
    Index done = 0, total = 0;
    compress(context, recipe, signals, [&](Index now, Index all) {
      done = now;
      total = all;
    });
    EXPECT_GT(done, 0) << how;
    EXPECT_EQ(done, total) << how;
    Index exact = 0;
    for (const auto& info : context.cache().read_info(0))
      exact += info.kind == cache::EntryKind::exact;
    EXPECT_GT(exact, 6) << how;
    EXPECT_NEAR(static_cast<double>(context.cache().size(0)), 6 + 17, 1) << how;
  }
}

TEST(Turns, ConversationsAreCutIntoTheirTurns) {
  const std::vector<std::int32_t> starts = {6, 20, 34};
  using Turns = std::vector<std::pair<Index, Index>>;
  EXPECT_EQ(turns_between(6, 40, starts), (Turns{{6, 20}, {20, 34}, {34, 40}}));
  EXPECT_EQ(turns_between(3, 40, starts), (Turns{{3, 6}, {6, 20}, {20, 34}, {34, 40}}));
}

}  // namespace
}  // namespace pith
