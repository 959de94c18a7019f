#include "engine/signals/on_policy.h"

#include <algorithm>

#include "engine/signals/references.h"
#include "recipe/scene.h"

namespace pith {
namespace {

// What the plan makes of the layers before `end`; the others stay.
cache::Plan lower_part(const cache::Plan& plan, const cache::Cache& cache, Index end) {
  cache::Plan out;
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane) {
    if (lane < end * cache.shape().kv_heads) {
      out.lanes.push_back(plan.lanes[static_cast<std::size_t>(lane)]);
      continue;
    }
    auto& own = out.lanes.emplace_back();
    own.formats = cache.read_formats(lane);
    for (Index j = 0; j < cache.size(lane); ++j) own.keep.push_back(static_cast<std::int32_t>(j));
  }
  return out;
}

// Reads the references of a stage again, of the same texts.
void renew_references(const Context& context, const recipe::SignalNeeds& needs,
                      recipe::Signals& signals) {
  const Index prefix = signals.prefix_tokens;
  for (recipe::ReferenceQueries& kind : signals.replay_queries)
    if (std::count(needs.replay_queries.begin(), needs.replay_queries.end(), kind.wanted) > 0)
      kind.queries = read_references(context, signals.replay_texts, kind.count, prefix).queries;
  for (recipe::StudySignals& study : signals.studies) {
    if (std::find(needs.studies.begin(), needs.studies.end(), study.kind) == needs.studies.end())
      continue;
    const Index own = study.references.count - study.replayed;
    auto renewed = read_references(context, signals.replay_texts, study.replayed, prefix);
    join_queries(renewed, read_references(context, study.texts, own, prefix), signals.query_heads);
    study.references.queries = std::move(renewed.queries);
  }
}

}  // namespace

cache::Plan plan_on_policy(const Context& context, const recipe::Recipe& recipe, Index stage,
                           const recipe::Signals& signals, recipe::ModelAccess* model) {
  ThreadPool* pool = &context.engine().pool();
  const cache::Cache& cache = context.cache();
  cache::Plan plan = recipe.plan(stage, cache, signals, pool, model);
  const Index layers = cache.shape().layers, blocks = std::min(recipe.fit_blocks(stage), layers);
  recipe::Signals renewed = signals;
  for (Index block = 1; block < blocks; ++block) {
    const Index first = layers * block / blocks, last = layers * (block + 1) / blocks;
    Context fork = context.fork();
    fork.cache().apply(lower_part(plan, cache, first));
    renew_references(fork, recipe.needs(stage), renewed);
    plan = recipe.refit(stage, cache, renewed, std::move(plan), {first, last}, pool);
  }
  return plan;
}

}  // namespace pith
