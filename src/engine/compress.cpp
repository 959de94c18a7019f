#include "engine/compress.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "base/stopwatch.h"
#include "engine/model_access.h"
#include "engine/signals/on_policy.h"

namespace pith {
namespace {

void apply_stages(Context& context, const recipe::Recipe& recipe, const recipe::Signals& signals,
                  EngineAccess& model) {
  recipe::Signals renewed;  // what later stages see once the newest turns were read anew
  for (Index stage = 0; stage < recipe.stages(); ++stage) {
    const bool again = !model.tail_queries().empty();
    if (again && renewed.tokens == 0) {
      renewed = signals;
      model.renew_window(renewed);
    }
    const recipe::Signals& seen = again ? renewed : signals;
    context.cache().apply(
        recipe.fit_blocks(stage) > 0
            ? plan_on_policy(context, recipe, stage, seen, &model)
            : recipe.plan(stage, context.cache(), seen, &context.engine().pool(), &model));
  }
}

}  // namespace

void refuse_routing_again(const recipe::Recipe& recipe) {
  if (recipe.again_every() > 0)
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: it routes again after every {} tokens of an answer, which only pith run "
                     "(schedule prefill) and pith eval do; leave out reroute",
                     recipe.name(), recipe.again_every()));
}

CompressionReport compress(Context& context, const recipe::Recipe& recipe,
                           const recipe::Signals& signals, const Progress& progress) {
  refuse_routing_again(recipe);
  return compress_once(context, recipe, signals, progress);
}

CompressionReport compress_once(Context& context, const recipe::Recipe& recipe,
                                const recipe::Signals& signals, const Progress& progress) {
  const Stopwatch watch;
  CompressionReport report;
  report.entries_before = context.cache().entries();
  report.bytes_before = context.cache().bytes().total();
  report.full_bytes = context.cache().full_bytes();
  EngineAccess model(context, signals, progress);
  std::optional<cache::Cache> before;  // to go back to where a later stage cannot be met
  if (recipe.stages() > 1) before = context.cache().fork();
  try {
    apply_stages(context, recipe, signals, model);
  } catch (...) {
    if (before) context.cache() = std::move(*before);
    throw;
  }
  report.entries_after = context.cache().entries();
  report.bytes_after = context.cache().bytes().total();
  report.seconds = watch.seconds();
  if (const auto& lost = model.divergence())
    report.note = fmt::format(
        "an optimisation went from a loss of {:.3g} to {:.3g}; where that is no number, entries "
        "stay as they were before it: take fewer steps or a smaller lr",
        lost->first_loss, lost->last_loss);
  return report;
}

}  // namespace pith
