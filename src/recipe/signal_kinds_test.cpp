#include "recipe/signal_kinds.h"

#include <gtest/gtest.h>

#include <set>

#include "recipe/recipe_test_support.h"
#include "recipe/signal_check.h"
#include "support/error_of.h"
#include "support/signal_needs.h"

namespace pith::recipe {
namespace {

using test::error_of;
using test::needs_of;

bool any(const SignalKind& /*kind*/) { return true; }

SignalNeeds all_needs() {
  SignalNeeds all;
  for (const SignalKind& kind : signal_kinds()) all |= needs_of(kind);
  return all;
}

TEST(SignalKinds, EachIsAskedForByItsName) {
  std::set<std::string_view> known;
  for (const SignalKind& kind : signal_kinds()) {
    SCOPED_TRACE(kind.name);
    EXPECT_TRUE(known.insert(kind.name).second);
    const SignalNeeds needs = needs_of(kind);
    const std::vector<std::string> names = names_of(needs);
    ASSERT_EQ(names.size(), 1u);
    EXPECT_EQ(names[0].substr(0, names[0].find('(')), kind.name);
    EXPECT_TRUE(asks_any(needs, any));
    EXPECT_EQ(without(needs, any), SignalNeeds{});
    EXPECT_EQ(kind.values.empty(), kind.parameter.empty());
  }
  EXPECT_FALSE(asks_any({}, any));
}

TEST(SignalKinds, AUnionAsksForAll) {
  EXPECT_EQ(names_of(all_needs()).size(), signal_kinds().size());
  for (const SignalKind& kind : signal_kinds()) {
    SignalNeeds twice = needs_of(kind);
    twice |= needs_of(kind);
    EXPECT_EQ(twice, needs_of(kind)) << kind.name;
  }
}

// Of another size a flag is the same, and a larger window holds the smaller one.
TEST(SignalKinds, AReadingCoversWhatItCollected) {
  const SignalNeeds all = all_needs();
  for (const SignalKind& kind : signal_kinds()) {
    SCOPED_TRACE(kind.name);
    const SignalNeeds needs = needs_of(kind), smaller = needs_of(kind, 8);
    EXPECT_TRUE(covers(needs, needs));
    EXPECT_TRUE(covers(all, needs));
    EXPECT_EQ(covers({}, needs), kind.from.given);
    EXPECT_EQ(covers(needs, smaller),
              smaller == needs || kind.from.given || kind.name == "window_queries");
  }
}

TEST(SignalKinds, QueryStatisticsCoverThoseWithoutTheSameSinks) {
  const SignalNeeds four{.query_moments = true}, eight{.query_moments = true, .moments_skip = 8};
  EXPECT_FALSE(covers(four, eight));
  EXPECT_TRUE(covers(eight, eight));
  const auto moments = [](const SignalKind& kind) { return kind.name == "query_moments"; };
  EXPECT_EQ(without(eight, moments), SignalNeeds{});
}

// But for what may be empty, and for files, which the engine looks into.
TEST(SignalKinds, WhatWasNotCollectedIsRefused) {
  const testing::World world = testing::make_world();
  Signals none;
  none.tokens = world.signals.tokens;
  none.query_heads = world.signals.query_heads;
  none.question_tokens = world.signals.question_tokens;
  none.layers.resize(world.signals.layers.size());
  for (const SignalKind& kind : signal_kinds()) {
    const bool served = kind.name == "answer_prompt" || kind.name == "encoder";
    EXPECT_EQ(error_of([&] { check_signals(needs_of(kind), "", world.cache, none); }) == "no error",
              served)
        << kind.name;
  }
}

}  // namespace
}  // namespace pith::recipe
