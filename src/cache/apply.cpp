// Cache::apply: validation of a plan, then new lanes built beside the old ones, then the exchange.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "cache/cache_impl.h"
#include "cache/lane_builder.h"

namespace pith::cache {
namespace {

using std::size_t;

template <typename... Args>
[[noreturn]] void refuse(Index lane, fmt::format_string<Args...> text, Args&&... args) {
  fail(ErrorCode::bad_input,
       fmt::format("plan, lane {}: {}", lane, fmt::format(text, std::forward<Args>(args)...)));
}

void check_size(Index lane, const char* what, size_t size, size_t expected, bool optional) {
  if (size == expected || (optional && size == 0)) return;
  refuse(lane, "{} has {} elements; expected {}{}", what, size, expected,
         optional ? " or none" : "");
}

void check_numbers(Index lane, const char* what, std::span<const float> numbers) {
  for (size_t j = 0; j < numbers.size(); ++j)
    if (!std::isfinite(numbers[j]))
      refuse(lane, "{} {} is {}; expected a finite number", what, j, numbers[j]);
}

void check_keep(Index lane, std::span<const std::int32_t> keep, Index entries) {
  std::int32_t last = -1;
  for (size_t j = 0; j < keep.size(); ++j) {
    if (keep[j] < 0 || keep[j] >= entries)
      refuse(lane, "keep {} names entry {}; the lane has {} entries", j, keep[j], entries);
    if (keep[j] <= last)
      refuse(lane, "keep {} names entry {} after entry {}; expected strictly ascending indices", j,
             keep[j], last);
    last = keep[j];
  }
}

void check_added(Index lane, std::span<const EntryInfo> added, Index source_tokens) {
  for (size_t j = 0; j < added.size(); ++j) {
    const EntryInfo& info = added[j];
    if (!std::isfinite(info.position) || !std::isfinite(info.log_weight))
      refuse(lane, "new entry {} has position {} and log-weight {}; expected finite numbers", j,
             info.position, info.log_weight);
    if (info.span.begin < 0 || info.span.begin > info.span.end || info.span.end > source_tokens)
      refuse(lane, "new entry {} stands for the tokens [{}, {}); expected a part of [0, {})", j,
             info.span.begin, info.span.end, source_tokens);
    if (info.kind > EntryKind::virtual_entry) refuse(lane, "new entry {} is of no known kind", j);
  }
}

void check_format(Index lane, Format format, Index head_dim) {
  if (format > kLastFormat) refuse(lane, "unknown format {}", static_cast<int>(format));
  if (traits(format).packed && head_dim > kMaxPackedDim)
    refuse(lane, "{} packs heads of up to {} dimensions; these have {}", to_string(format),
           kMaxPackedDim, head_dim);
}

void check(const Plan& plan, const Cache::Impl& cache) {
  const Shape& shape = cache.shape;
  if (plan.lanes.size() != cache.lanes.size())
    fail(ErrorCode::bad_input,
         fmt::format("the plan has {} lanes; the cache has {} ({} layers of {} KV heads)",
                     plan.lanes.size(), cache.lanes.size(), shape.layers, shape.kv_heads));
  const auto dim = static_cast<size_t>(shape.head_dim);
  for (Index i = 0; i < shape.lanes(); ++i) {
    const LanePlan& lane = plan.lanes[static_cast<size_t>(i)];
    const size_t kept = lane.keep.size(), added = lane.add.info.size();
    check_keep(i, lane.keep, cache.lane(i).size());
    check_size(i, "move_to", lane.move_to.size(), kept, true);
    check_size(i, "log_weight", lane.log_weight.size(), kept, true);
    check_size(i, "values", lane.values.size(), kept * dim, true);
    check_size(i, "keys", lane.keys.size(), kept * dim, true);
    check_size(i, "query_moment", lane.query_moment.size(), dim * dim, true);
    check_numbers(i, "query_moment", lane.query_moment);
    check_size(i, "add.keys", lane.add.keys.size(), added * dim, false);
    check_size(i, "add.values", lane.add.values.size(), added * dim, false);
    check_numbers(i, "move_to", lane.move_to);
    check_numbers(i, "log_weight", lane.log_weight);
    check_added(i, lane.add.info, cache.source_tokens);
    check_size(i, "formats", lane.formats.size(), kept, true);
    if (lane.format) check_format(i, *lane.format, shape.head_dim);
    for (const Format format : lane.formats) check_format(i, format, shape.head_dim);
    if (!lane.move_to.empty() && cache.rotation->inverse_frequencies.empty())
      refuse(i, "entries cannot move: this cache was made without a rotation");
  }
}

bool changes_nothing(const LanePlan& plan, const Lane& lane, Format format) {
  if (!plan.move_to.empty() || !plan.log_weight.empty() || !plan.values.empty() ||
      !plan.keys.empty() || !plan.add.info.empty() ||
      static_cast<Index>(plan.keep.size()) != lane.size())
    return false;
  auto wanted = plan.formats.begin();
  for (const Segment& segment : lane.segments) {
    const Format has = segment.layout.format;
    if (plan.formats.empty()) {
      if (has != format) return false;
      continue;
    }
    if (!std::all_of(wanted, wanted + segment.count, [&](Format f) { return f == has; }))
      return false;
    wanted += segment.count;
  }
  return true;
}

bool shared(const Lane& lane) {
  return std::any_of(lane.segments.begin(), lane.segments.end(), [](const Segment& segment) {
    return std::any_of(segment.tiles.begin(), segment.tiles.end(),
                       [](const Tile& tile) { return tile.shared(); });
  });
}

}  // namespace

void Cache::apply(const Plan& plan) {
  check(plan, *impl_);
  const TilePool::Fresh fresh(*impl_->pool);
  for (Index i = 0; i < impl_->shape.lanes(); ++i) {
    const LanePlan& lane_plan = plan.lanes[static_cast<size_t>(i)];
    Lane& lane = impl_->lane(i);
    // A lane that stays as it is keeps its tiles while a fork holds them anyway; else it moves too,
    // so that old slabs become empty. Lanes are exchanged one by one: only one of them is ever
    // there twice. The plan is sound, so nothing but want of memory, or of room in the cache's
    // file, can stop this half way.
    const bool stays =
        changes_nothing(lane_plan, lane, lane_plan.format.value_or(impl_->format)) && shared(lane);
    if (!stays) {
      lane = build_lane(*impl_, i, lane_plan);
      continue;
    }
    for (Segment& segment : lane.segments) segment.tiles.shrink_to_fit();
    lane.segments.shrink_to_fit();
  }
}

std::vector<float> Cache::planned_keys(Index lane, const LanePlan& plan) const {
  return cache::planned_keys(*impl_, lane, plan);
}

}  // namespace pith::cache
