#include "cache/lane_builder.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <tuple>

#include "cache/packed_entry.h"

namespace pith::cache {
namespace {

using std::size_t;

// Packed entries of fewer than so many of one centre are rounded anew together with others; more
// keep their codes and their centre, so that plan after plan nothing is rounded twice.
constexpr Index kFewPacked = 64;

// What goes into one segment together; compared in the order in which segments lie in the lane:
// plain ones last, packed before others, so that new tokens continue the last segment.
struct Group {
  Columns columns;
  bool unpacked;
  Format format;
  const Segment* origin;  // of packed entries that keep their codes, else null
  Index order;            // of the origin in the old lane

  auto key() const {
    return std::tuple(columns == Columns::plain, columns, unpacked, format, order);
  }
  bool operator<(const Group& other) const { return key() < other.key(); }
  bool operator==(const Group& other) const { return key() == other.key(); }
};

// An entry of the lane to be: kept entry `index`, or new entry `index` - kept.
struct Item {
  size_t index;
  EntryInfo info;
  Group group;
};

class LaneBuilder {
 public:
  LaneBuilder(const Cache::Impl& cache, Index lane, const LanePlan& plan, TilePool& pool)
      : cache_(cache),
        pool_(pool),
        lane_(lane),
        plan_(plan),
        format_(plan.format.value_or(cache.format)),
        dim_(cache.shape.head_dim),
        key_(static_cast<size_t>(dim_)),
        value_(key_) {}

  Lane build() {
    read_items();
    regroup_few();
    std::sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) {
      if (!(a.group == b.group)) return a.group < b.group;
      if (a.info.position != b.info.position) return a.info.position < b.info.position;
      return a.index < b.index;
    });
    Lane lane;
    const auto total = static_cast<Index>(items_.size());
    for (Index first = 0; first < total;) {
      Index last = first;
      while (last < total && item(last).group == item(first).group) ++last;
      add_group(lane, first, last);
      first = last;
    }
    lane.segments.shrink_to_fit();
    return lane;
  }

  // The kept entries' keys in the lane that build() returned, in the plan's order.
  std::vector<float> read_kept_keys(const Lane& lane) const {
    std::vector<float> keys(plan_.keep.size() * key_.size());
    LaneCursor cursor(lane);
    for (size_t i = 0; i < items_.size(); ++i) {
      if (!is_kept(items_[i])) continue;
      const Place place = cursor.at(static_cast<Index>(i));
      read_key(place.segment->layout, place.tile(), place.slot(), place.segment->centre_data(),
               keys.data() + items_[i].index * key_.size());
    }
    return keys;
  }

 private:
  const Item& item(Index i) const { return items_[static_cast<size_t>(i)]; }

  Group group_of(const EntryInfo& info, Format format) const {
    return {columns_of(info), !traits(format).packed, format, nullptr, -1};
  }

  // Kept, then new entries as they will be.
  void read_items() {
    const Lane& old = cache_.lane(lane_);
    LaneCursor cursor(old);
    places_.reserve(plan_.keep.size());
    items_.reserve(plan_.keep.size() + plan_.add.info.size());
    for (size_t j = 0; j < plan_.keep.size(); ++j) {
      const Place place = cursor.at(plan_.keep[j]);
      EntryInfo info = place.segment->info(place.index);
      const float position = info.position;
      if (!plan_.move_to.empty()) info.position = plan_.move_to[j];
      if (!plan_.log_weight.empty()) info.log_weight = plan_.log_weight[j];
      Group group = group_of(info, plan_.formats.empty() ? format_ : plan_.formats[j]);
      if (!group.unpacked && place.segment->layout.format == group.format &&
          info.position == position && plan_.keys.empty()) {  // else its codes no longer hold
        group.origin = place.segment;
        group.order = place.segment - old.segments.data();
      }
      places_.push_back(place);
      items_.push_back({j, info, group});
    }
    for (size_t j = 0; j < plan_.add.info.size(); ++j)
      items_.push_back(
          {plan_.keep.size() + j, plan_.add.info[j], group_of(plan_.add.info[j], format_)});
  }

  // Gives up the centres of which few entries are left, where that brings entries together.
  void regroup_few() {
    std::vector<std::pair<Group, Index>> sizes;
    size_t found = 0;  // neighbours are mostly of one group
    const auto find = [&](const Group& group) {
      if (found < sizes.size() && sizes[found].first == group) return found;
      const auto at = std::find_if(sizes.begin(), sizes.end(),
                                   [&](const auto& size) { return size.first == group; });
      return found = static_cast<size_t>(at - sizes.begin());
    };
    for (const Item& i : items_) {
      if (i.group.unpacked) continue;
      if (find(i.group) == sizes.size()) sizes.emplace_back(i.group, 0);
      ++sizes[found].second;
    }
    const auto few = [](const auto& size) {
      return size.first.origin == nullptr || size.second < kFewPacked;
    };
    const auto alike = [](const Group& a, const Group& b) {
      return a.columns == b.columns && a.format == b.format;
    };
    std::vector<bool> gives_up;  // [sizes]
    for (const auto& own : sizes) {
      const auto partners = std::count_if(sizes.begin(), sizes.end(), [&](const auto& size) {
        return alike(size.first, own.first) && few(size);
      });
      gives_up.push_back(few(own) && partners >= 2);
    }
    for (Item& i : items_) {
      if (i.group.origin == nullptr || !gives_up[find(i.group)]) continue;
      i.group.origin = nullptr;
      i.group.order = -1;
    }
  }

  // Items [first, last) in segments of one layout.
  void add_group(Lane& lane, Index first, Index last) {
    const Group& group = item(first).group;
    const TileLayout layout(group.format, group.columns, dim_);
    if (!layout.packed || group.origin != nullptr) {
      add_segment(lane, layout, first, last);
      return;
    }
    const Index runs = ceil_div(last - first, kPackedEntries);
    const Index size = round_up(ceil_div(last - first, runs), kTileEntries);
    for (; first < last; first += size)
      add_segment(lane, layout, first, std::min(first + size, last));
  }

  void add_segment(Lane& lane, const TileLayout& layout, Index first, Index last) {
    Segment& segment = lane.segments.emplace_back(layout);
    segment.tiles.reserve(static_cast<size_t>(ceil_div(last - first, kTileEntries)));
    const bool stays = item(first).group.origin != nullptr;
    if (layout.packed) segment.centre = make_centre(first, last);
    for (Index i = first; i < last; ++i) {
      const Index slot = segment.count % kTileEntries;
      std::byte* tile = segment.grow(pool_);
      if (stays)
        copy_packed(item(i), layout, tile, slot);
      else
        write(item(i), segment, tile, slot);
      write_info(layout, tile, slot, item(i).info);
    }
  }

  // That of the origin, or the mean of all keys.
  std::shared_ptr<const std::vector<float>> make_centre(Index first, Index last) {
    if (const Segment* origin = item(first).group.origin) return origin->centre;
    std::vector<double> sum(static_cast<size_t>(dim_));
    for (Index i = first; i < last; ++i) {
      const float* key = key_of(item(i));
      for (size_t d = 0; d < sum.size(); ++d) sum[d] += double{key[d]};
    }
    std::vector<float> mean(sum.size());
    for (size_t d = 0; d < sum.size(); ++d)
      mean[d] = static_cast<float>(sum[d] / static_cast<double>(last - first));
    return std::make_shared<const std::vector<float>>(std::move(mean));
  }

  bool is_kept(const Item& i) const { return i.index < plan_.keep.size(); }

  // As it will be, in key_ or where the plan has it.
  const float* key_of(const Item& i) {
    if (!is_kept(i)) return plan_.add.keys.data() + (i.index - plan_.keep.size()) * key_.size();
    if (!plan_.keys.empty()) return plan_.keys.data() + i.index * key_.size();
    const Place& place = places_[i.index];
    read_key(place.segment->layout, place.tile(), place.slot(), place.segment->centre_data(),
             key_.data());
    const float position = place.segment->position(place.index);
    if (i.info.position != position) {
      const auto layer = static_cast<size_t>(lane_ / cache_.shape.kv_heads);
      rotate(cache_.rotation->inverse_frequencies[layer], position, i.info.position, key_.data());
    }
    return key_.data();
  }

  const float* value_of(const Item& i) {
    if (!is_kept(i)) return plan_.add.values.data() + (i.index - plan_.keep.size()) * key_.size();
    if (!plan_.values.empty()) return plan_.values.data() + i.index * key_.size();
    const Place& place = places_[i.index];
    read_value(place.segment->layout, place.tile(), place.slot(), value_.data());
    return value_.data();
  }

  void write(const Item& i, const Segment& segment, std::byte* tile, Index slot) {
    const TileLayout& layout = segment.layout;
    if (is_kept(i) && !layout.packed) {
      const Place& place = places_[i.index];
      if (place.segment->layout.format == layout.format && plan_.values.empty() &&
          plan_.keys.empty() && place.segment->position(place.index) == i.info.position) {
        copy_entry(layout, place.tile(), place.slot(), tile, slot);
        return;
      }
    }
    if (layout.packed)
      write_packed_key(layout, tile, slot, key_of(i), segment.centre_data(),
                       rounding_of(layout.format));
    else
      write_key(layout, tile, slot, key_of(i), segment.centre_data());
    write_value(layout, tile, slot, value_of(i));
  }

  // For the plan's queries, or null. Made when the first key asks for it.
  const KeyRounding* rounding_of(Format format) {
    const FormatTraits& kind = traits(format);
    if (plan_.query_moment.empty() || kind.packing == Packing::e4m3) return nullptr;
    std::optional<KeyRounding>& own = kind.rotates_keys ? of_rotated_ : of_plain_;
    if (!own) own.emplace(plan_.query_moment, dim_, kind.rotates_keys);
    return &*own;
  }

  void copy_packed(const Item& i, const TileLayout& layout, std::byte* tile, Index slot) {
    const Place& place = places_[i.index];
    copy_entry(layout, place.tile(), place.slot(), tile, slot);
    if (!plan_.values.empty()) write_value(layout, tile, slot, value_of(i));
  }

  const Cache::Impl& cache_;
  TilePool& pool_;
  Index lane_;
  const LanePlan& plan_;
  Format format_;
  Index dim_;
  std::optional<KeyRounding> of_plain_, of_rotated_;
  std::vector<float> key_, value_;
  std::vector<Place> places_;  // of kept entries
  std::vector<Item> items_;    // in the order of the new lane once sorted
};

}  // namespace

Lane build_lane(const Cache::Impl& cache, Index lane, const LanePlan& plan) {
  return LaneBuilder(cache, lane, plan, *cache.pool).build();
}

std::vector<float> planned_keys(const Cache::Impl& cache, Index lane, const LanePlan& plan) {
  TilePool pool;
  LaneBuilder builder(cache, lane, plan, pool);
  return builder.read_kept_keys(builder.build());
}

}  // namespace pith::cache
