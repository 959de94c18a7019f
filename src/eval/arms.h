// What a run compares: recipes, each with the schedule that it runs under, and the boring twins of
// those that choose what stays. It runs nothing.
//
//     kvzip_plus + global @ 4x               once the document is read
//     kvzip_plus + global @ 4x when turn     each turn once, on top of the turns before it
//     kvzip_plus + global @ 4x when again    after each turn, all so far anew
//     snapkv @ 4x when chunk:512             while the document is read
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "engine/schedule.h"
#include "eval/run_config.h"
#include "recipe/recipe.h"

namespace pith::eval {

struct RunArm {
  recipe::Recipe recipe;
  Schedule schedule;

  bool once() const { return schedule.when == When::prefill; }
  // As recipe.name() and recipe.to_string(), with the schedule unless it is prefill.
  std::string name() const;
  std::string to_string() const;
};
// Throws bad_recipe, bad_budget, or bad_input for the schedule.
RunArm parse_arm(std::string_view text);

// The arms of a run in their order: `full` first, then each recipe with each budget, then the
// baseline if it is none of them. No two are the same. Throws as parse_arm.
std::vector<RunArm> all_arms(const RunConfig& config);

// The boring counterparts of an arm: what chance, age and even spacing get out of the same bytes.
struct Twin {
  const char *name, *recipe;
};
inline constexpr std::array<Twin, 3> kTwins = {
    {{"random", "random"}, {"recency", "streaming_llm"}, {"spaced", "spaced"}}};
bool has_twins(const RunArm& arm);

// Arms and twins.
Index arm_count(const RunConfig& config);

// What an arm is called in predictions.
struct ArmLabel {
  std::string recipe, canonical, twin, twin_of;
};
ArmLabel label_of(const RunArm& arm);
ArmLabel label_of(const Twin& twin, const RunArm& of);

}  // namespace pith::eval
