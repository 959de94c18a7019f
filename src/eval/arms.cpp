#include "eval/arms.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "recipe/grammar.h"

namespace pith::eval {
namespace {

constexpr std::string_view kWhen = " when ";

std::string with_schedule(std::string text, const Schedule& schedule) {
  if (schedule.when != When::prefill) text.append(kWhen).append(to_string(schedule));
  return text;
}

// Where an arm's recipe ends: at its schedule, which has no quotes, if it has one.
std::size_t end_of_recipe(std::string_view text) {
  const auto quote = text.find_last_of("\"'");
  return std::min(text.find(kWhen, quote == std::string_view::npos ? 0 : quote), text.size());
}

}  // namespace

std::string RunArm::name() const { return with_schedule(recipe.name(), schedule); }
std::string RunArm::to_string() const { return with_schedule(recipe.to_string(), schedule); }

RunArm parse_arm(std::string_view text) {
  const auto at = end_of_recipe(text);
  RunArm arm{recipe::Recipe::parse(text.substr(0, at)), {}};
  if (at < text.size())
    arm.schedule = parse_schedule(text.substr(at + kWhen.size()),
                                  {When::prefill, When::turn, When::again, When::chunk});
  if (!arm.once() && arm.recipe.sees_question())
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: it looks at the question, and there is none while the document is read; "
                     "take it without a schedule, or another recipe",
                     arm.name()));
  return arm;
}

std::vector<RunArm> all_arms(const RunConfig& config) {
  std::vector<RunArm> arms;
  const auto add = [&](const std::string& text) {
    RunArm parsed = parse_arm(text);
    const bool known = std::any_of(arms.begin(), arms.end(), [&](const RunArm& other) {
      return other.to_string() == parsed.to_string();
    });
    if (!known) arms.push_back(std::move(parsed));
  };
  add("full");
  for (const auto& text : config.recipes) {
    const auto at = end_of_recipe(text);
    const std::string name = text.substr(0, at);
    if (config.budgets.empty() || recipe::is_full_name(name) || recipe::names_budget(name))
      add(text);
    else
      for (const auto& budget : config.budgets)
        add(fmt::format("{} @ {}{}", name, budget, text.substr(at)));
  }
  add(config.baseline);
  return arms;
}

bool has_twins(const RunArm& arm) { return !arm.recipe.is_full() && !arm.recipe.is_control(); }

Index arm_count(const RunConfig& config) {
  const auto arms = all_arms(config);
  const Index twinned = std::count_if(arms.begin(), arms.end(), has_twins);
  return std::ssize(arms) + (config.twins ? twinned * std::ssize(kTwins) : 0);
}

ArmLabel label_of(const RunArm& arm) { return {arm.name(), arm.to_string(), "", ""}; }

ArmLabel label_of(const Twin& twin, const RunArm& of) {
  return {fmt::format("{} at the bytes of {}", twin.recipe, of.name()),
          fmt::format("{} at the bytes of {}", twin.recipe, of.to_string()), twin.name,
          of.to_string()};
}

}  // namespace pith::eval
