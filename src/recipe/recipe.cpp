#include "recipe/recipe.h"

#include <algorithm>

#include "base/error.h"
#include "recipe/planner.h"

namespace pith::recipe {

namespace {

// Where the turns of a conversation begin is a place like any other, and how entries are stored
// chooses none of them.
bool chooses_blindly(const Stage& stage) {
  SignalNeeds needs;
  for (const Part* part : stage.all())
    if (part != &stage.format && part->info->needs) needs |= part->info->needs(part->arguments);
  needs.turns = false;
  return stage.scorer && stage.scorer->info->blind && needs == SignalNeeds{};
}

}  // namespace

struct Recipe::Impl {
  std::string name;
  std::vector<Stage> stages;
};

bool is_full_name(std::string_view text) { return text == kFull || text == "no_press"; }

Recipe::Recipe(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Recipe::Recipe(const Recipe&) = default;
Recipe::Recipe(Recipe&&) noexcept = default;
Recipe& Recipe::operator=(Recipe other) noexcept {
  impl_ = std::move(other.impl_);
  return *this;
}
Recipe::~Recipe() = default;

Recipe Recipe::parse(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = std::min(text.find_first_not_of(kSpace), text.size());
  const std::size_t last = text.find_last_not_of(kSpace);
  const std::string_view name =
      text.substr(first, last == std::string_view::npos ? 0 : last - first + 1);
  return Recipe(std::make_shared<const Impl>(Impl{std::string(name), read_stages(text)}));
}

std::string Recipe::name() const { return impl_->name; }

std::string Recipe::to_string() const { return recipe::to_string(impl_->stages); }

bool Recipe::is_full() const { return impl_->stages.empty(); }
bool Recipe::sees_question() const { return needs().question_queries; }

bool Recipe::is_oracle() const {
  return std::any_of(impl_->stages.begin(), impl_->stages.end(), [](const Stage& stage) {
    const auto all = stage.all();
    return std::any_of(all.begin(), all.end(), [](const Part* p) { return p->info->oracle; });
  });
}

bool Recipe::is_control() const {
  return !is_full() && std::all_of(impl_->stages.begin(), impl_->stages.end(), chooses_blindly);
}

Index Recipe::again_every() const {
  Index every = 0;
  for (const Stage& stage : impl_->stages) {
    const PartInfo& info = *stage.allocator.info;
    const Index own = info.again_every ? info.again_every(stage.allocator.arguments) : 0;
    if (own > 0) every = every > 0 ? std::min(every, own) : own;
  }
  return every;
}

SignalNeeds Recipe::needs() const {
  SignalNeeds needs;
  for (const Stage& stage : impl_->stages) needs |= needs_of(stage);
  if (risk()) needs.surprisal = true;  // the guard samples by it
  // Said, so that no other recipe's chunk can change what this one's references come from.
  if (needs.repeats() && needs.replay_chunk == 0) needs.replay_chunk = kReplayChunk;
  return needs;
}

SignalNeeds Recipe::needs(Index stage) const {
  return needs_of(impl_->stages[static_cast<std::size_t>(stage)]);
}

Index Recipe::fit_blocks(Index stage) const {
  const Part& realiser = impl_->stages[static_cast<std::size_t>(stage)].realiser;
  return realiser.info->fit_blocks ? realiser.info->fit_blocks(realiser.arguments) : 0;
}

bool Recipe::fits_in_blocks() const {
  for (Index stage = 0; stage < stages(); ++stage)
    if (fit_blocks(stage) > 0) return true;
  return false;
}

std::optional<double> Recipe::risk() const {
  if (stages() != 1) return std::nullopt;
  const auto& budget = impl_->stages.front().budget;
  return budget && budget->unit == BudgetUnit::automatic ? std::optional(budget->value)
                                                         : std::nullopt;
}

Recipe Recipe::at(const Budget& budget) const {
  PITH_CHECK(stages() == 1, "a budget for one stage");
  std::vector<Stage> stages = impl_->stages;
  stages.front().budget = budget;
  return parse(recipe::to_string(stages.front()));
}

Index Recipe::stages() const { return std::ssize(impl_->stages); }

bool Recipe::runs_model() const {
  return std::any_of(impl_->stages.begin(), impl_->stages.end(), [](const Stage& stage) {
    const auto all = stage.all();
    return std::any_of(all.begin(), all.end(), [](const Part* p) { return p->info->runs_model; });
  });
}

cache::Plan Recipe::plan(Index stage, const cache::Cache& cache, const Signals& signals,
                         ThreadPool* pool, ModelAccess* model) const {
  PITH_CHECK(stage >= 0 && stage < stages(), "stage out of range");
  return make_plan(impl_->stages[stage], cache, signals, pool, model);
}

cache::Plan Recipe::refit(Index stage, const cache::Cache& cache, const Signals& signals,
                          cache::Plan plan, LayerRange layers, ThreadPool* pool) const {
  return refit_plan(impl_->stages[static_cast<std::size_t>(stage)], cache, signals, std::move(plan),
                    layers, pool);
}

}  // namespace pith::recipe
