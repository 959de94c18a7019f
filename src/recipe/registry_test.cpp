#include "recipe/registry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/files.h"
#include "recipe/grammar.h"
#include "recipe/presets.h"
#include "recipe/recipe_test_support.h"
#include "recipe/stage.h"
#include "support/error_of.h"

namespace pith::recipe {
namespace {

TEST(Registry, EveryPartIsDocumentedAndHasItsFunction) {
  std::set<std::string_view> names;
  for (const PartInfo& part : parts()) {
    SCOPED_TRACE(part.name);
    EXPECT_TRUE(names.insert(part.name).second);
    EXPECT_GT(part.summary.size(), 10u);
    EXPECT_GT(part.source.size(), 5u);
    EXPECT_EQ(part.score != nullptr, part.kind == PartKind::scorer);
    EXPECT_EQ(part.adjust != nullptr, part.kind == PartKind::adjuster);
    EXPECT_EQ(part.allocate != nullptr, part.kind == PartKind::allocator);
    EXPECT_EQ(part.realise != nullptr, part.kind == PartKind::realiser);
    std::set<std::string_view> keys;
    for (const Parameter& parameter : part.parameters) {
      EXPECT_TRUE(keys.insert(parameter.name).second) << parameter.name;
      EXPECT_GT(parameter.doc.size(), 5u) << parameter.name;
    }
  }
  for (const Preset& preset : presets())
    EXPECT_TRUE(names.insert(preset.name).second) << preset.name;
}

TEST(Registry, DefaultsAreCanonical) {
  for (const PartInfo& part : parts())
    EXPECT_EQ(Arguments(part.parameters).to_string(), "") << part.name;
  for (const PartInfo& part : parts())
    for (const Parameter& p : part.parameters) {
      Arguments arguments(part.parameters);
      EXPECT_EQ(arguments.set(p.name, p.default_value), "") << part.name << " " << p.name;
      EXPECT_EQ(arguments.to_string().empty(), !p.no_default) << part.name << " " << p.name;
    }
}

TEST(Registry, NamesEverySignalThatAPartNeeds) {
  for (const PartInfo& part : parts()) {
    if (part.needs == nullptr) continue;
    const SignalNeeds needs = part.needs(Arguments(part.parameters));
    EXPECT_EQ(names_of(needs).empty(), needs == SignalNeeds{}) << part.name;
  }
  EXPECT_EQ(names_of(Recipe::parse("snapkv(window=8) + structure + csa + match(queries=context) @ "
                                   "4x")
                         .needs()),
            (std::vector<std::string>{"window_queries(8)", "structure", "diffuseness",
                                      "context_queries(256)"}));
}

// Parses, or says why not; whoever parses prints a text that parses to the same recipe.
std::string refusal_or_same(const std::string& text) {
  std::string printed;
  const std::string refusal = test::error_of([&] { printed = Recipe::parse(text).to_string(); });
  if (refusal != "no error") return refusal;
  EXPECT_EQ(test::error_of([&] { Recipe::parse(printed); }), "no error") << text;
  const Recipe again = Recipe::parse(printed);
  EXPECT_EQ(again.to_string(), printed) << text;
  EXPECT_EQ(again.needs(), Recipe::parse(text).needs()) << text;
  EXPECT_EQ(again.sees_question(), Recipe::parse(text).sees_question()) << text;
  return "";
}

TEST(Registry, PresetsThatNeedABudgetSaySo) {
  for (const Preset& preset : presets()) {
    SCOPED_TRACE(preset.name);
    const std::string name(preset.name);
    EXPECT_EQ(preset.summary.find("needs a budget"), preset.summary.npos);
    const std::string alone = refusal_or_same(name);
    if (needs_beside(preset).empty()) {
      EXPECT_EQ(alone, "");
      EXPECT_EQ(full_summary(preset), preset.summary);
    } else {
      EXPECT_NE(alone.find("a budget is missing"), alone.npos) << alone;
      EXPECT_EQ(refusal_or_same(name + " @ 0.5"), "");
      EXPECT_NE(full_summary(preset).find(" (needs a budget"), std::string::npos);
    }
  }
  EXPECT_EQ(needs_beside(*find_preset("best")), "a budget");
  EXPECT_EQ(needs_beside(*find_preset("simlayerkv")), "a budget or at=...");
  EXPECT_EQ(needs_beside(*find_preset("summary_route")), "");
}

// What it says no to may be the value, but never the name.
TEST(Registry, PresetsTakeTheirKeysAndTheParametersOfTheirParts) {
  for (const Preset& preset : presets()) {
    const std::vector<PartText> own = read_recipe(preset.text).front().parts;
    const auto expect_taken = [&](std::string_view key, std::string_view value) {
      const std::string text = fmt::format("{}({}={})", preset.name, key, quoted(value));
      for (const char* budget : {"", " @ 0.5"}) {
        const std::string refusal = refusal_or_same(text + budget);
        for (const char* problem : {"is given twice", "has no parameter"})
          EXPECT_EQ(refusal.find(problem), refusal.npos) << text << ": " << refusal;
      }
    };
    for (const PartText& part : own) {
      for (const Parameter& p : find_part(part.name)->parameters)
        expect_taken(p.name, p.default_value);
      for (const PresetKey& key : preset.keys)
        if (key.part == part.name)
          expect_taken(key.key, key.values.empty() ? "1" : key.values[0].first);
    }
  }
  EXPECT_NE(Recipe::parse("trained(steps=50) @ 32x").to_string().find("steps=50"),
            std::string::npos);
}

// A recipe that names a part of this kind, at a budget or with a size of its own.
std::string recipe_around(const PartInfo& part, const std::string& arguments) {
  const std::string text = std::string(part.name) + arguments;
  if (part.kind == PartKind::scorer || part.kind == PartKind::format) return text;
  const auto required = part.required_allocator;
  const std::string_view allocator = required ? required(Arguments(part.parameters)) : "";
  return "knorm + " + text + (allocator.empty() ? "" : " + " + std::string(allocator));
}

TEST(Registry, PrintingKeepsDefaultsThatAreGiven) {
  int parsed = 0;
  for (const PartInfo& part : parts()) {
    std::vector<std::string> arguments = {""};
    for (const Parameter& p : part.parameters)
      arguments.push_back("(" + std::string(p.name) + "=" + quoted(p.default_value) + ")");
    for (const std::string& given : arguments)
      for (const char* budget : {"", " @ 0.5", " @ auto"})
        parsed += refusal_or_same(recipe_around(part, given) + budget).empty() ? 1 : 0;
  }
  EXPECT_GT(parsed, 200);
  EXPECT_EQ(Recipe::parse("knorm + threshold(at=0)").to_string(),
            "knorm + threshold(at=0) + drop + bf16");
}

TEST(Registry, TheTableNamesEveryPartPresetAndParameter) {
  const std::string table = recipes_table();
  for (const PartInfo& part : parts()) {
    EXPECT_NE(table.find("| `" + std::string(part.name) + "` |"), table.npos) << part.name;
    for (const Parameter& p : part.parameters)
      EXPECT_NE(table.find("- `" + std::string(p.name) + "="), table.npos) << p.name;
  }
  for (const Preset& preset : presets())
    EXPECT_NE(table.find("| `" + std::string(preset.name) + "` |"), table.npos) << preset.name;
}

// docs/recipes.md is printed from the registry. To print it anew, run this test with
// PITH_PRINT_DOCS=1 and look at the difference.
TEST(Registry, TheDocumentIsWhatIsPrinted) {
  const auto path = std::filesystem::path(PITH_SOURCE_DIR) / "docs/recipes.md";
  if (std::getenv("PITH_PRINT_DOCS") != nullptr) {
    FileWriter writer(path);
    writer.write(recipes_table());
    writer.commit();
  }
  EXPECT_EQ(read_file(path), recipes_table()) << "run again with PITH_PRINT_DOCS=1";
}

std::string random_value(const Parameter& p, Rng& rng) {
  switch (p.type) {
    case ParameterType::integer: {
      const auto span = static_cast<Index>(std::min(p.most - p.least, 300.0)) + 1;
      return std::to_string(static_cast<Index>(p.least) + rng.below(span));
    }
    case ParameterType::real:
      return std::to_string(p.least + rng.uniform() * (p.most - p.least));
    case ParameterType::flag:
      return rng.below(2) == 0 ? "false" : "1";
    case ParameterType::text:
      return rng.below(2) == 0 ? "a/b-2.c" : "\"a \"\"b\"\" then, c) @ 2x\"";
    case ParameterType::choice:
      break;
  }
  return std::string(p.choices[static_cast<std::size_t>(rng.below(std::ssize(p.choices)))]);
}

// Any recipe that parses prints a text that parses to the same print.
TEST(Registry, PrintingIsAFixedPointOfRandomRecipes) {
  Rng rng(7);
  const std::vector<std::string> budgets = {"", " @ 0.5", " @ 7.25x", " @ 33tok", " @ 1.5MiB"};
  int parsed = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    const Index count = 1 + rng.below(4);
    for (Index i = 0; i < count; ++i) {
      const PartInfo& part = parts()[static_cast<std::size_t>(rng.below(std::ssize(parts())))];
      text += (i == 0 ? "" : " + ") + std::string(part.name);
      std::string arguments;
      for (const Parameter& p : part.parameters)
        if (rng.below(3) == 0)
          arguments +=
              (arguments.empty() ? "" : ", ") + std::string(p.name) + "=" + random_value(p, rng);
      if (!arguments.empty()) text += "(" + arguments + ")";
    }
    text += budgets[static_cast<std::size_t>(rng.below(std::ssize(budgets)))];
    parsed += refusal_or_same(text).empty() ? 1 : 0;
  }
  EXPECT_GT(parsed, 200);
}

}  // namespace
}  // namespace pith::recipe
