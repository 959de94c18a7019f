// A recipe says how a plan is made: scorer + adjusters + allocator + realiser + format at a budget;
// stages chain with `then`. This is the grammar and the whole; the parts are in src/recipe/parts,
// the list of them in registry.h. It never runs a model.
//
//     recipe = stage { " then " stage }
//     stage  = part { " + " part } [ " @ " budget ]
//     part   = name [ "(" key=value {, key=value} ")" ]    a bare first value names the part's
//     first
//                                                          parameter: attention(sum)
//     budget = 0.9 (fraction removed) | 10x (bytes) | 1024tok (mean entries per lane) | 64MiB
//            | auto(risk=0.05)
//
// "full" alone is no compression; "auto" or "auto(risk=0.1)" alone is the default recipe under
// that budget. A scorer alone is completed: uniform (kvzip: global), drop, bf16.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "cache/cache.h"
#include "cache/plan.h"
#include "recipe/budget.h"
#include "recipe/signals.h"

namespace pith::recipe {

class ModelAccess;  // model_access.h
struct LayerRange;  // scene.h

inline constexpr std::string_view kFull = "full";  // the recipe that compresses nothing
bool is_full_name(std::string_view text);          // that, or kvpress' word for it

class Recipe {
 public:
  // Throws bad_recipe or bad_budget with the column, the nearest known name and what was expected.
  // Presets and aliases are expanded.
  static Recipe parse(std::string_view text);
  Recipe(const Recipe&);
  Recipe(Recipe&&) noexcept;
  Recipe& operator=(Recipe) noexcept;
  ~Recipe();

  std::string name() const;       // as given: a preset's name with its budget, or the text
  std::string to_string() const;  // canonical, presets expanded; parse(to_string()) prints the same

  bool is_full() const;        // "full": no compression
  bool sees_question() const;  // some part looks at the question
  bool is_oracle() const;      // some part uses what a deployment would not have
  // Chooses by chance or place alone: random, recency or spaced, with no part that looks at more.
  bool is_control() const;
  // Of the budget `auto`: what share of right answers may be lost. Such a recipe makes no plan; the
  // guard (engine/guard/guard.h) turns it into one that does.
  std::optional<double> risk() const;
  Recipe at(const Budget& budget) const;  // the same under another budget; of one stage
  bool runs_model() const;  // some part runs the model while it plans: minutes, not seconds
  // > 0: routes again, from the full cache, after so many tokens of an answer (engine/rerouting.h).
  Index again_every() const;
  SignalNeeds needs() const;
  SignalNeeds needs(Index stage) const;
  Index stages() const;
  // > 0: the stage is to be fitted in so many blocks of layers (engine/signals/on_policy.h).
  Index fit_blocks(Index stage) const;
  bool fits_in_blocks() const;  // some stage is

  // Makes the plan of one stage for a cache as it is now. Throws bad_budget when the budget cannot
  // be met (saying the least that can). With a pool, layers are scored in parallel; the plan is the
  // same.
  // `model` is asked by stages that run one (runs_model()).
  cache::Plan plan(Index stage, const cache::Cache& cache, const Signals& signals,
                   ThreadPool* pool = nullptr, ModelAccess* model = nullptr) const;
  // The plan of such a stage with some layers fitted anew, to other references; what they keep
  // stays.
  cache::Plan refit(Index stage, const cache::Cache& cache, const Signals& signals,
                    cache::Plan plan, LayerRange layers, ThreadPool* pool = nullptr) const;

 private:
  struct Impl;
  explicit Recipe(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace pith::recipe
