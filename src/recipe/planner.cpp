#include "recipe/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "kernels/attention.h"
#include "recipe/select.h"
#include "recipe/signal_check.h"

namespace pith::recipe {
namespace {

LaneSizes lane_sizes(const Stage& stage, const Scene& scene) {
  LaneSizes sizes;
  const Part& realiser = stage.realiser;
  sizes.now.resize(static_cast<std::size_t>(scene.shape().lanes()));
  sizes.added.resize(sizes.now.size());
  for (Index lane : scene.lanes()) {
    sizes.now[lane] = scene.size(lane);
    if (realiser.info->adds != nullptr)
      sizes.added[lane] = realiser.info->adds(scene, realiser.arguments, lane);
  }
  sizes.lanes = std::ssize(scene.lanes());
  return sizes;
}

// Of an entry that a plan keeps; with `weighs`, it may still be given a weight.
cache::Columns planned_columns(cache::EntryInfo entry, bool weighs) {
  if (weighs) entry.log_weight = 1;
  return cache::columns_of(entry);
}

// What the cache will allocate at most once the plan is applied and `added` entries with it; with
// `weighs`, every kept entry may still be given a weight.
Index planned_bytes(const Scene& scene, const cache::Plan& plan, const std::vector<Index>& added,
                    const std::vector<bool>& packed_before, bool weighs) {
  Index bytes = 0;
  for (Index lane = 0; lane < scene.shape().lanes(); ++lane) {
    const cache::LanePlan& own = plan.lanes[lane];
    LaneContent content;
    content.packed_before = packed_before[lane];
    content.of(*own.format, cache::Columns::annotated) = added[lane];
    for (std::size_t i = 0; i < own.keep.size(); ++i) {
      cache::EntryInfo entry = scene.info(lane)[own.keep[i]];
      if (!own.move_to.empty()) entry.position = own.move_to[i];
      if (!own.log_weight.empty()) entry.log_weight = own.log_weight[i];
      ++content.of(own.formats.empty() ? *own.format : own.formats[i],
                   planned_columns(entry, weighs));
    }
    bytes += lane_bytes(scene.shape(), content);
  }
  return bytes;
}

// The lanes that hold packed entries now.
std::vector<bool> packed_lanes(const cache::Cache& cache) {
  std::vector<bool> packed;
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane) {
    const auto formats = cache.read_formats(lane);
    packed.push_back(std::any_of(formats.begin(), formats.end(), [](cache::Format format) {
      return cache::traits(format).packed;
    }));
  }
  return packed;
}

// Realisers that add entries or change them compute that once, when it is settled what stays.
bool is_late(const Stage& stage) {
  return stage.realiser.info->late || stage.realiser.info->adds != nullptr;
}

struct Attempt {
  cache::Plan plan;
  Index entries = 0;    // kept in compressible lanes
  std::string problem;  // why the room is too small, or ""
};

std::string pins_problem(const Scene& scene, const Scores& scores, const Selection& selection) {
  for (Index lane : scene.lanes()) {
    Index pinned = 0, kept = 0;
    for (float s : scores.lanes[lane]) pinned += s == kPinned ? 1 : 0;
    for (std::int32_t j : selection.keep[lane]) kept += scores.lanes[lane][j] == kPinned ? 1 : 0;
    if (kept < pinned)
      return fmt::format("{} entries of layer {}, head {} are pinned, but only {} may stay", pinned,
                         lane / scene.shape().kv_heads, lane % scene.shape().kv_heads,
                         std::ssize(selection.keep[lane]));
  }
  return {};
}

void assign_formats(const Stage& stage, const Scene& scene, const Scores& scores,
                    cache::Plan& plan) {
  if (stage.format.info->assign == nullptr) return;
  for (cache::LanePlan& lane : plan.lanes) lane.formats.clear();
  stage.format.info->assign(scene, stage.format.arguments, scores, plan);
}

// Room that is paid for anyway goes to each lane's next best entries: of those that share tiles
// with kept ones, as many as fit beside them. Lanes whose entries differ in format are left as they
// are.
void fill_tiles(const Scene& scene, const Scores& scores, bool weighs, cache::Plan& plan) {
  for (Index lane : scene.lanes()) {
    cache::LanePlan& own = plan.lanes[lane];
    if (std::any_of(own.formats.begin(), own.formats.end(),
                    [&](cache::Format format) { return format != *own.format; }))
      continue;
    std::map<cache::Columns, Index> kept;
    for (std::int32_t j : own.keep) ++kept[planned_columns(scene.info(lane)[j], weighs)];
    std::vector<float> others = scores.lanes[lane];
    for (std::int32_t j : own.keep) others[j] = kNever;
    for (const auto& [columns, count] : kept) {
      const Index more = round_up(count, kTileEntries) - count;
      if (more == 0) continue;
      std::vector<float> alike = others;
      for (Index j = 0; j < scene.size(lane); ++j)
        if (planned_columns(scene.info(lane)[j], weighs) != columns) alike[j] = kNever;
      for (std::int32_t j : best_entries(alike, more)) own.keep.push_back(j);
    }
    std::sort(own.keep.begin(), own.keep.end());
  }
}

Attempt attempt(const Stage& stage, const Scene& scene, const Scores& scores) {
  const Part& allocator = stage.allocator;
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  if (scene.present() > 0)  // else allocators would have no lane to look at
    selection = allocator.info->allocate(scene, allocator.arguments, scores);
  for (const Part& adjuster : stage.adjusters)
    if (adjuster.info->refine != nullptr)
      adjuster.info->refine(scene, adjuster.arguments, scores, selection);
  Attempt out;
  out.entries = selection.size();
  out.problem = pins_problem(scene, scores, selection);
  if (scene.room().bounded && !selection.dictated && out.entries > scene.room().total)
    out.problem = fmt::format("it leaves {} entries over all lanes, but {} needs {}",
                              scene.room().total, allocator.info->name, out.entries);
  out.plan.lanes.resize(static_cast<std::size_t>(scene.shape().lanes()));
  for (Index lane = 0; lane < scene.shape().lanes(); ++lane) {
    cache::LanePlan& own = out.plan.lanes[lane];
    own.format = stage.format.info->format;
    own.keep = std::move(selection.keep[lane]);
    if (scene.compressible(lane)) continue;
    const Index window = scene.shape().window(lane / scene.shape().kv_heads);
    const std::vector<std::int32_t> order = scene.by_position(lane);
    own.keep.assign(order.begin() + std::max<Index>(std::ssize(order) - window, 0), order.end());
    std::sort(own.keep.begin(), own.keep.end());
  }
  assign_formats(stage, scene, scores, out.plan);
  if (scene.room().whole_tiles && allocator.info->fills_tiles) {
    fill_tiles(scene, scores, stage.weighs(), out.plan);
    assign_formats(stage, scene, scores, out.plan);
  }
  if (out.entries == 0 && stage.realiser.info->adds == nullptr && scene.present() > 0)
    out.problem = "no entry would be left";
  if (!is_late(stage))
    stage.realiser.info->realise(scene, stage.realiser.arguments, scores, out.plan);
  return out;
}

[[noreturn]] void cannot_meet(const Stage& stage, const std::string& problem) {
  fail(ErrorCode::bad_budget,
       fmt::format("budget of \"{}\": {}; give a larger budget", to_string(stage), problem));
}

cache::Plan finish(const Stage& stage, const Scene& scene, const Scores& scores, cache::Plan plan) {
  if (is_late(stage)) stage.realiser.info->realise(scene, stage.realiser.arguments, scores, plan);
  return plan;
}

cache::Plan plan_in_room(const Stage& stage, const Scene& scene) {
  const Scores scores = score(stage, scene);
  Attempt only = attempt(stage, scene, scores);
  if (!only.problem.empty()) cannot_meet(stage, only.problem);
  return finish(stage, scene, scores, std::move(only.plan));
}

// The least that the entries of a lane take on average in a stage's format.
double least_entry_bytes(const Stage& stage, const cache::Shape& shape) {
  const auto of = [&](cache::Format format) {
    return static_cast<double>(entry_bytes(shape, format, cache::Columns::plain));
  };
  const Arguments& arguments = stage.format.arguments;
  const double own = of(stage.format.info->format);
  // The part of its packed entries that the format gives 2 bits instead of its own.
  const double cold = arguments.has("cold") ? arguments.real("cold") : 0;
  return cold * std::min(of(cache::Format::int2), own) + (1 - cold) * own;
}

// The largest number of entries whose plan fits into `bytes`, found by bisection, because lanes
// allocate whole tiles and allocators differ in how raggedly they fill them.
cache::Plan plan_in_bytes(const Stage& stage, Scene& scene, const LaneSizes& sizes, Index bytes) {
  const bool weighs = stage.weighs();
  // Between one entry per lane and as many as if no tile had a gap and all were as small as the
  // format makes them.
  const double entry = least_entry_bytes(stage, scene.shape());
  const auto as_entries = [&](Index room) {
    return static_cast<Index>(static_cast<double>(room) / entry);
  };
  const Index least = sizes.additions() > 0 ? 0 : std::min(sizes.lanes, sizes.present());
  const Index most = std::clamp(as_entries(bytes) - sizes.additions(), least, sizes.present());
  const auto room_of = [&](Index total) {
    Room room = room_of_entries(total, sizes);
    room.whole_tiles = true;
    return room;
  };
  scene.set_room(room_of(most));  // scores may depend on it: snapkv's window does
  const Scores scores = score(stage, scene);

  const std::vector<bool> packed_before = packed_lanes(scene.cache());
  std::optional<cache::Plan> best;
  Index taken = 0, best_total = 0;
  std::string problem;
  const auto too_large = [&](Index total) {
    scene.set_room(room_of(total));
    Attempt now = attempt(stage, scene, scores);
    taken = planned_bytes(scene, now.plan, sizes.added, packed_before, weighs);
    if (taken > bytes) return true;
    if (now.problem.empty()) {
      best = std::move(now.plan);
      best_total = total;
    }
    problem = now.problem;
    return false;
  };
  if (too_large(most)) {
    Index high = most, low = std::max(least, most - sizes.lanes * 48);  // gaps of three tiles
    if (low < high && too_large(low)) high = std::exchange(low, least);
    if (low == high || (low == least && too_large(low))) {
      const double full = static_cast<double>(scene.cache().full_bytes());
      cannot_meet(stage, fmt::format("it is {} bytes, but the smallest plan takes {} ({:.4g}x)",
                                     bytes, taken, full / static_cast<double>(taken)));
    }
    while (high - low > 1) {
      const Index middle = low + (high - low) / 2;
      (too_large(middle) ? high : low) = middle;
    }
  }
  if (!best) cannot_meet(stage, problem);
  cache::Plan plan = finish(stage, scene, scores, std::move(*best));
  // Entries without a weight after all lie in tiles of their own: a tile more in some lanes.
  while (weighs &&
         (taken = planned_bytes(scene, plan, sizes.added, packed_before, false)) > bytes) {
    best_total -= std::max<Index>(as_entries(taken - bytes), 1);
    if (best_total < least || too_large(best_total) || !problem.empty())
      cannot_meet(stage, problem.empty() ? "it is too small for entries with weights" : problem);
    plan = finish(stage, scene, scores, std::move(*best));
  }
  return plan;
}

}  // namespace

Scores score(const Stage& stage, const Scene& scene) {
  Scores scores;
  scores.lanes.resize(static_cast<std::size_t>(scene.shape().lanes()));
  for (Index lane : scene.lanes())
    scores.lanes[lane].resize(static_cast<std::size_t>(scene.size(lane)));
  if (stage.scorer) {
    const Index heads = scene.shape().kv_heads;
    scene.parallel(std::ssize(scene.layers()), [&](Index i, int) {
      const Index layer = scene.layers()[i];
      stage.scorer->info->score(
          scene, stage.scorer->arguments, layer,
          std::span(scores.lanes)
              .subspan(static_cast<std::size_t>(layer * heads), static_cast<std::size_t>(heads)));
    });
    for (Index lane : scene.lanes())
      for (std::size_t j = 0; j < scores.lanes[lane].size(); ++j)
        if (std::isnan(scores.lanes[lane][j]))
          fail(ErrorCode::bad_input,
               fmt::format("{}: the score of entry {} in layer {}, head {} is not a number; the "
                           "cache or the signals hold one that is not",
                           stage.scorer->info->name, j, lane / heads, lane % heads));
  }
  if (stage.realiser.info->late) scores.plain = scores.lanes;
  for (const Part& adjuster : stage.adjusters)
    adjuster.info->adjust(scene, adjuster.arguments, scores);
  if (stage.allocator.info->prepare != nullptr)
    stage.allocator.info->prepare(scene, stage.allocator.arguments, scores);
  return scores;
}

cache::Plan make_plan(const Stage& stage, const cache::Cache& cache, const Signals& signals,
                      ThreadPool* pool, ModelAccess* model) {
  check_signals(stage, cache, signals);
  Scene scene(cache, signals, pool, model);
  scene.set_worst_case(std::any_of(stage.adjusters.begin(), stage.adjusters.end(),
                                   [](const Part& part) { return part.info->worst_case; }));
  const LaneSizes sizes = lane_sizes(stage, scene);
  if (!stage.budget) return plan_in_room(stage, scene);
  const double value = stage.budget->value;
  switch (stage.budget->unit) {
    case BudgetUnit::fraction:
      scene.set_room(room_of_fraction(value, sizes));
      return plan_in_room(stage, scene);
    case BudgetUnit::tokens: {
      const auto total = static_cast<Index>(value * static_cast<double>(sizes.lanes));
      if (total < sizes.additions())
        cannot_meet(stage, fmt::format("it leaves {} entries over all lanes, but summaries take {}",
                                       total, sizes.additions()));
      scene.set_room(room_of_entries(total - sizes.additions(), sizes));
      return plan_in_room(stage, scene);
    }
    case BudgetUnit::ratio: {
      const double full = static_cast<double>(cache.full_bytes());
      return plan_in_bytes(stage, scene, sizes, static_cast<Index>(full / value));
    }
    case BudgetUnit::automatic:
      fail(ErrorCode::bad_budget,
           fmt::format("budget @ {}: the guard chooses a ratio for a whole document, in `pith run` "
                       "and `pith eval`; give a fixed budget here, such as \"@ 4x\"",
                       to_string(*stage.budget)));
    case BudgetUnit::bytes:
      break;
  }
  return plan_in_bytes(stage, scene, sizes, static_cast<Index>(value));
}

cache::Plan refit_plan(const Stage& stage, const cache::Cache& cache, const Signals& signals,
                       cache::Plan plan, LayerRange layers, ThreadPool* pool) {
  check_signals(stage, cache, signals);
  Scene scene(cache, signals, pool);
  scene.limit(layers);
  for (const Index lane : scene.lanes()) {
    plan.lanes[lane].log_weight.clear();
    plan.lanes[lane].values.clear();
  }
  stage.realiser.info->realise(scene, stage.realiser.arguments, {}, plan);
  return plan;
}

}  // namespace pith::recipe
