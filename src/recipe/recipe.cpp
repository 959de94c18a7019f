#include "recipe/recipe.h"

#include <algorithm>

#include "base/error.h"
#include "recipe/planner.h"

namespace pith::recipe {

struct Recipe::Impl {
  std::string name;
  std::vector<Stage> stages;
};

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

std::string Recipe::to_string() const {
  if (is_full()) return "full";
  std::string out;
  for (const Stage& stage : impl_->stages)
    out += (out.empty() ? "" : " then ") + recipe::to_string(stage);
  return out;
}

bool Recipe::is_full() const { return impl_->stages.empty(); }
bool Recipe::sees_question() const { return needs().question_queries; }

bool Recipe::is_oracle() const {
  return std::any_of(impl_->stages.begin(), impl_->stages.end(), [](const Stage& stage) {
    const auto all = stage.all();
    return std::any_of(all.begin(), all.end(), [](const Part* p) { return p->info->oracle; });
  });
}

bool Recipe::is_control() const {
  return !is_full() && !sees_question() &&
         std::all_of(impl_->stages.begin(), impl_->stages.end(),
                     [](const Stage& stage) { return stage.scorer && stage.scorer->info->blind; });
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
  return needs;
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

}  // namespace pith::recipe
