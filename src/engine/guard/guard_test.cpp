// The guard on tiny models: what it samples, what it measures, and where it stops.

#include "engine/guard/guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "engine/reading.h"
#include "support/error_of.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(GuardSignal, WhatIsNoNumberPassesNoThreshold) {
  EXPECT_DOUBLE_EQ((GuardSignal{.damage = {.rise = 0.05}, .ratio = 4}.value()), 0.04);
  EXPECT_DOUBLE_EQ((GuardSignal{.damage = {.rise = 0.35}, .ratio = 4}.value()), 0.29);
  EXPECT_TRUE(std::isnan(GuardSignal{.damage = {.rise = std::nan("")}, .ratio = 4}.value()));
}

TEST(GuardTable, WhatIsNoListIsSaidOnce) {
  EXPECT_EQ(test::error_of([] { parse_guard_tables("{}", "guards.json"); }),
            "guards.json is no list of guard tables: a list was expected; delete it and run `pith "
            "calibrate --what guard` again");
}

class GuardTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.calibration =
        std::filesystem::path(testing::TempDir()) /
        (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) +
         ".calibration");
    options_.threads = 2;
    options_.numerics = Numerics::exact;
    file_ = test::tiny_model({});
    engine_ = Engine::from(gguf::File::parse(file_, "tiny"), options_);
    std::filesystem::remove(guard_file(*engine_));
    std::vector<Token> tokens;
    for (Index i = 0; i < 200; ++i) tokens.push_back(static_cast<Token>((i * 37 + 11) % 250));
    whole_.emplace(engine_);
    signals_ = read_document(*whole_, tokens, recipe_.needs(), {});
  }
  void TearDown() override { std::filesystem::remove(guard_file(*engine_)); }

  GuardTable table(double signal, double loss) const {
    return {
        .model_name = "tiny",
        .model_hash = engine_->model().hash(),
        .recipe = guarded_parts(recipe_),
        .documents = "some",
        .ladder = {1, 4, 8},
        .records = std::vector<GuardRecord>(19, {{signal, signal, signal}, {loss, loss, loss}})};
  }
  GuardChoice choose(const GuardTable& table) const {
    save_guard_table(table, guard_file(*engine_));
    return Guard(*engine_, recipe_).choose(*whole_, signals_, {});
  }

  EngineOptions options_;
  std::vector<std::byte> file_;
  std::shared_ptr<Engine> engine_;
  recipe::Recipe recipe_ = recipe::Recipe::parse("knorm + global @ auto");
  std::optional<Context> whole_;
  recipe::Signals signals_;
};

TEST_F(GuardTest, RungsThatRemoveNothingMoreAreNotMeasuredAgain) {
  std::vector<double> asked, routes;
  std::vector<bool> same;
  climb(*whole_, recipe_, signals_, {}, std::vector<double>{1, 1.0001, 4, 1e6},
        [&](const GuardRung& rung, const Context&) {
          asked.push_back(rung.asked);
          same.push_back(rung.same_as_last);
          routes.push_back(rung.signal.damage.routes);
          return true;
        });
  EXPECT_THAT(asked, ElementsAre(1, 1.0001, 4));  // the last one cannot be met
  EXPECT_FALSE(same[0]);
  EXPECT_FALSE(same[2]);
  EXPECT_GT(routes[2], routes[0]);
}

TEST_F(GuardTest, ItsProgressCountsRungs) {
  std::vector<Index> told;
  climb(
      *whole_, recipe_, signals_, {}, std::vector<double>{1, 4, 1e6},
      [](const GuardRung&, const Context&) { return true; },
      [&](Index done, Index all) {
        EXPECT_EQ(all, 3);
        if (told.empty() || told.back() != done) told.push_back(done);
      });
  EXPECT_THAT(told, ElementsAre(0, 1, 2));  // the last one cannot be met
}

TEST_F(GuardTest, ItClimbsAsFarAsTheThresholdAllows) {
  const GuardChoice far = choose(table(100, 0));
  EXPECT_EQ(far.asked, 8);
  EXPECT_EQ(far.recipe.to_string(), "knorm + global + drop + bf16 @ 8x");
  EXPECT_EQ(far.threshold, 100);
  EXPECT_EQ(far.documents, 19);
  const GuardChoice none = choose(table(100, 1));  // every rung lost all
  EXPECT_EQ(none.asked, 1);
  EXPECT_TRUE(none.recipe.is_full());
  EXPECT_TRUE(std::isinf(none.threshold));
}

TEST_F(GuardTest, WithoutATableTheCommandIsNamed) {
  try {
    Guard(*engine_, recipe_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    const auto model = std::filesystem::path(options_.calibration).replace_extension();
    EXPECT_THAT(error.what(), HasSubstr("pith calibrate -m " + model.string() +
                                        " --what guard --kv \"knorm + global + drop + bf16\""));
  }
  GuardTable other = table(100, 0);
  ++other.model_hash;
  save_guard_table(other, guard_file(*engine_));
  EXPECT_THROW(Guard(*engine_, recipe_), Error);
}

TEST_F(GuardTest, TablesReadBack) {
  GuardTable one = table(0.125, 0.5);
  one.records[3].signals[2] = std::numeric_limits<double>::infinity();
  const auto read = parse_guard_tables(to_json({one}), "x");
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].records, one.records);
  EXPECT_EQ(read[0].hash(), one.hash());
  save_guard_table(one, guard_file(*engine_));
  save_guard_table(table(1, 0), guard_file(*engine_));  // instead of the first
  EXPECT_EQ(GuardTable::of(*engine_, recipe_).hash(), table(1, 0).hash());
}

TEST_F(GuardTest, DamagedTablesAreRefused) {
  const std::string sound = to_json({table(0.125, 0.5)});
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = sound;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& text :
       {std::string(), std::string("{}"), sound.substr(0, sound.size() / 2),
        with("[1.0,4.0,8.0]", "[8.0,4.0,1.0]"), with("[0.5,0.5,0.5]", "[0.5,0.5]"),
        with("[0.5,0.5,0.5]", "[0.5,0.2,0.5]"), with("[0.5,0.5,0.5]", "[0.5,0.5,2]")})
    EXPECT_THROW(parse_guard_tables(text, "x"), Error) << text;
}

}  // namespace
}  // namespace pith
