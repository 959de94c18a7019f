// Cache::apply: validation of a plan, then new lanes built beside the old ones, then the exchange.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "cache/cache_impl.h"

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
    check_size(i, "add.keys", lane.add.keys.size(), added * dim, false);
    check_size(i, "add.values", lane.add.values.size(), added * dim, false);
    check_numbers(i, "move_to", lane.move_to);
    check_numbers(i, "log_weight", lane.log_weight);
    check_added(i, lane.add.info, cache.source_tokens);
    if (lane.format && *lane.format > Format::f32) refuse(i, "unknown format");
    if (!lane.move_to.empty() && cache.rotation->inverse_frequencies.empty())
      refuse(i, "entries cannot move: this cache was made without a rotation");
  }
}

bool changes_nothing(const LanePlan& plan, const Lane& lane, Format format) {
  return plan.move_to.empty() && plan.log_weight.empty() && plan.values.empty() &&
         plan.keys.empty() && plan.add.info.empty() &&
         static_cast<Index>(plan.keep.size()) == lane.size() &&
         std::all_of(lane.segments.begin(), lane.segments.end(),
                     [&](const Segment& segment) { return segment.layout.format == format; });
}

bool shared(const Lane& lane) {
  return std::any_of(lane.segments.begin(), lane.segments.end(), [](const Segment& segment) {
    return std::any_of(segment.tiles.begin(), segment.tiles.end(),
                       [](const Tile& tile) { return tile.shared(); });
  });
}

// Rotates the pairs (i, i + D/2) by (to - from) times their frequency. Angles are computed in
// double: a position of 10^5 in f32 would already cost 3 digits of the fastest pair.
void rotate(std::span<const double> frequencies, float from, float to, float* key) {
  const auto half = static_cast<Index>(frequencies.size());
  const double distance = static_cast<double>(to) - static_cast<double>(from);
  for (Index i = 0; i < half; ++i) {
    const double angle = distance * frequencies[static_cast<size_t>(i)], c = std::cos(angle),
                 s = std::sin(angle);
    const double a = key[i], b = key[i + half];
    key[i] = static_cast<float>(a * c - b * s);
    key[i + half] = static_cast<float>(a * s + b * c);
  }
}

// Builds the lane that a plan describes: annotated entries first, plain ones after them, so that
// new tokens continue the plain segment.
class LaneBuilder {
 public:
  LaneBuilder(const Cache::Impl& cache, Index lane, const LanePlan& plan)
      : cache_(cache),
        lane_(lane),
        plan_(plan),
        format_(plan.format.value_or(cache.format)),
        kept_(static_cast<Index>(plan.keep.size())),
        key_(static_cast<size_t>(cache.shape.head_dim)),
        value_(key_) {}

  Lane build() {
    read_infos();
    std::vector<size_t> plain, annotated;
    for (size_t j = 0; j < infos_.size(); ++j)
      (is_plain(infos_[j]) ? plain : annotated).push_back(j);
    Lane lane;
    add_segment(lane, annotated, true);
    add_segment(lane, plain, false);
    return lane;
  }

 private:
  // The columns of kept, then of new entries as they will be.
  void read_infos() {
    LaneCursor cursor(cache_.lane(lane_));
    places_.reserve(plan_.keep.size());
    infos_.reserve(plan_.keep.size() + plan_.add.info.size());
    for (size_t j = 0; j < plan_.keep.size(); ++j) {
      const Place place = cursor.at(plan_.keep[j]);
      EntryInfo info = place.segment->info(place.index);
      if (!plan_.move_to.empty()) info.position = plan_.move_to[j];
      if (!plan_.log_weight.empty()) info.log_weight = plan_.log_weight[j];
      places_.push_back(place);
      infos_.push_back(info);
    }
    infos_.insert(infos_.end(), plan_.add.info.begin(), plan_.add.info.end());
  }

  void add_segment(Lane& lane, std::vector<size_t>& entries, bool annotated) {
    if (entries.empty()) return;
    std::sort(entries.begin(), entries.end(), [&](size_t a, size_t b) {
      const float at = infos_[a].position, bt = infos_[b].position;
      return at != bt ? at < bt : a < b;
    });
    Segment& segment =
        lane.segments.emplace_back(TileLayout(format_, annotated, cache_.shape.head_dim));
    segment.tiles.reserve(
        static_cast<size_t>(ceil_div(static_cast<Index>(entries.size()), kTileEntries)));
    for (const size_t j : entries) {
      const Index slot = segment.count % kTileEntries;
      std::byte* tile = segment.grow(*cache_.pool);
      if (static_cast<Index>(j) < kept_)
        write_kept(j, segment.layout, tile, slot);
      else
        write_added(j - static_cast<size_t>(kept_), segment.layout, tile, slot);
      write_info(segment.layout, tile, slot, infos_[j]);
    }
  }

  void write_kept(size_t j, const TileLayout& layout, std::byte* tile, Index slot) {
    const Place& place = places_[j];
    const TileLayout& from = place.segment->layout;
    const float old_position = read_position(from, place.tile(), place.slot());
    const bool moved = infos_[j].position != old_position;
    if (!moved && plan_.values.empty() && plan_.keys.empty() && from.format == layout.format) {
      copy_entry(layout, place.tile(), place.slot(), tile, slot);
      return;
    }
    read_key(from, place.tile(), place.slot(), key_.data());
    read_value(from, place.tile(), place.slot(), value_.data());
    if (moved && plan_.keys.empty()) {
      const auto layer = static_cast<size_t>(lane_ / cache_.shape.kv_heads);
      rotate(cache_.rotation->inverse_frequencies[layer], old_position, infos_[j].position,
             key_.data());
    }
    const float* value =
        plan_.values.empty() ? value_.data() : plan_.values.data() + j * key_.size();
    const float* key = plan_.keys.empty() ? key_.data() : plan_.keys.data() + j * key_.size();
    write_entry(layout, tile, slot, key, value);
  }

  void write_added(size_t j, const TileLayout& layout, std::byte* tile, Index slot) {
    write_entry(layout, tile, slot, plan_.add.keys.data() + j * key_.size(),
                plan_.add.values.data() + j * key_.size());
  }

  const Cache::Impl& cache_;
  Index lane_;
  const LanePlan& plan_;
  Format format_;
  Index kept_;
  std::vector<float> key_, value_;
  std::vector<Place> places_;     // of kept entries
  std::vector<EntryInfo> infos_;  // of kept, then new entries
};

}  // namespace

void Cache::apply(const Plan& plan) {
  check(plan, *impl_);
  const TilePool::Fresh fresh(*impl_->pool);
  for (Index i = 0; i < impl_->shape.lanes(); ++i) {
    const LanePlan& lane_plan = plan.lanes[static_cast<size_t>(i)];
    Lane& lane = impl_->lane(i);
    // A lane that stays as it is keeps its tiles while a fork holds them anyway; else it moves too,
    // so that old slabs become empty. Lanes are exchanged one by one: only one of them is ever
    // there twice. The plan is sound, so nothing but want of memory can stop this half way.
    const bool stays =
        changes_nothing(lane_plan, lane, lane_plan.format.value_or(impl_->format)) && shared(lane);
    if (!stays) lane = LaneBuilder(*impl_, i, lane_plan).build();
  }
}

}  // namespace pith::cache
