#include "recipe/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "kernels/attention.h"

namespace pith::recipe {
namespace {

struct Suffix {
  std::string_view text;
  BudgetUnit unit;
  double factor;
};
constexpr std::array<Suffix, 6> kSuffixes = {{{"", BudgetUnit::fraction, 1},
                                              {"x", BudgetUnit::ratio, 1},
                                              {"tok", BudgetUnit::tokens, 1},
                                              {"KiB", BudgetUnit::bytes, 0x1p10},
                                              {"MiB", BudgetUnit::bytes, 0x1p20},
                                              {"GiB", BudgetUnit::bytes, 0x1p30}}};

bool in_range(const Budget& budget) {
  switch (budget.unit) {
    case BudgetUnit::fraction:
      return budget.value >= 0 && budget.value < 1;
    case BudgetUnit::ratio:
      return budget.value >= 1 && budget.value <= 1e6;
    case BudgetUnit::tokens:
      return budget.value >= 1 && budget.value <= 1e9;
    case BudgetUnit::bytes:
      return budget.value >= 1 && budget.value <= 0x1p50;
    case BudgetUnit::automatic:
      return budget.value >= 0.001 && budget.value <= 0.5;
  }
  return false;
}

// Shares `total` entries evenly among lanes, where no lane can take more than it has.
std::vector<Index> share_evenly(Index total, const std::vector<Index>& capacity) {
  std::vector<Index> ascending = capacity;
  std::sort(ascending.begin(), ascending.end());
  Index left = total, level = 0;
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    level = left / static_cast<Index>(ascending.size() - i);
    if (level < ascending[i]) break;
    level = ascending[i];
    left -= level;
  }
  std::vector<Index> share(capacity.size());
  for (std::size_t i = 0; i < capacity.size(); ++i) share[i] = std::min(level, capacity[i]);
  return share;
}

// Keys and values of 16 entries, with scales and zeros.
Index numbers_of_tile(const cache::Shape& shape, cache::Format format) {
  const cache::FormatTraits& is = cache::traits(format);
  if (is.packed) return PackedTile{is.packing, shape.head_dim}.bytes();
  return kTileEntries * 2 * shape.head_dim * is.bits / 8;
}

// "auto" or "auto(risk=0.05)", of which the risk is read as a fraction.
std::optional<Budget> parse_automatic(std::string_view text) {
  constexpr std::string_view kName = "auto", kOpen = "auto(risk=";
  if (text == kName) return Budget{BudgetUnit::automatic, kDefaultRisk};
  if (!text.starts_with(kOpen) || !text.ends_with(')')) return std::nullopt;
  text = text.substr(kOpen.size(), text.size() - kOpen.size() - 1);
  auto budget = parse_budget(text);
  if (!budget || budget->unit != BudgetUnit::fraction) return std::nullopt;
  budget->unit = BudgetUnit::automatic;
  return in_range(*budget) ? budget : std::nullopt;
}

}  // namespace

std::optional<Budget> parse_budget(std::string_view text) {
  if (text.starts_with("auto")) return parse_automatic(text);
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || !std::isfinite(number)) return std::nullopt;
  const std::string_view suffix(rest, static_cast<std::size_t>(end - rest));
  for (const Suffix& known : kSuffixes) {
    if (suffix != known.text) continue;
    Budget budget{known.unit, number * known.factor + 0.0};  // -0 prints as 0
    if (known.unit == BudgetUnit::bytes) budget.value = std::round(budget.value);
    if (in_range(budget)) return budget;
  }
  return std::nullopt;
}

std::string to_string(const Budget& budget) {
  switch (budget.unit) {
    case BudgetUnit::fraction:
      return fmt::format("{}", budget.value);
    case BudgetUnit::ratio:
      return fmt::format("{}x", budget.value);
    case BudgetUnit::tokens:
      return fmt::format("{}tok", budget.value);
    case BudgetUnit::automatic:
      return fmt::format("auto(risk={})", budget.value);
    case BudgetUnit::bytes:
      break;
  }
  // The largest unit that divides; below one KiB the quotient is a binary fraction, hence exact.
  for (std::size_t i = kSuffixes.size(); i-- > 4;) {
    const Suffix& suffix = kSuffixes[i];
    if (std::fmod(budget.value, suffix.factor) == 0)
      return fmt::format("{}{}", budget.value / suffix.factor, suffix.text);
  }
  return fmt::format("{}KiB", budget.value / 0x1p10);
}

Index kept_of(Index n, double removed) {
  if (n <= 0) return 0;
  return std::max<Index>(1, static_cast<Index>(static_cast<double>(n) * (1 - removed)));
}

Index LaneSizes::present() const { return std::reduce(now.begin(), now.end()); }
Index LaneSizes::additions() const { return std::reduce(added.begin(), added.end()); }

Room room_of_fraction(double removed, const LaneSizes& sizes) {
  Room room{.bounded = true, .removed = removed, .total = 0, .lane = {}};
  for (std::size_t lane = 0; lane < sizes.now.size(); ++lane) {
    const Index kept = kept_of(sizes.now[lane], removed) - sizes.added[lane];
    if (kept < 0)
      fail(ErrorCode::bad_budget,
           fmt::format("budget @ {}: lane {} may hold {} entries, but the summaries alone are {}; "
                       "remove less, or take larger chunks",
                       removed, lane, kept + sizes.added[lane], sizes.added[lane]));
    room.lane.push_back(kept);
    room.total += kept;
  }
  // Cuts over several lanes remove int(all * removed), as kvpress' KVzip does.
  const Index all = sizes.present();
  const Index cut = static_cast<Index>(static_cast<double>(all) * removed);
  room.total = std::max(room.total, all - cut - sizes.additions());
  return room;
}

Room room_of_entries(Index total, const LaneSizes& sizes) {
  total = std::min(total, sizes.present());
  return {.bounded = true, .removed = {}, .total = total, .lane = share_evenly(total, sizes.now)};
}

Index lane_bytes(const cache::Shape& shape, const LaneContent& content) {
  constexpr Index kLine = 64;  // a tile's alignment in bytes
  constexpr Index kCentreTable = 64;
  constexpr Index kRun = 256, kFewest = 64;  // packed entries of a centre: at most as they are
                                             // rounded, and at least as they are left
  Index bytes = 0, segments = 0, tiles = 0;
  const auto add = [&](cache::Format format, Index entries, Index column_bytes) {
    if (entries == 0) return;
    const Index tile =
        round_up(numbers_of_tile(shape, format) + kTileEntries * column_bytes, kLine);
    Index count = ceil_div(entries, kTileEntries), runs = 1;
    if (cache::traits(format).packed) {
      runs = ceil_div(entries, kRun) + (content.packed_before ? entries / kFewest + 1 : 0);
      count += content.packed_before ? runs : 0;
      bytes += runs * (4 * shape.head_dim + kCentreTable);
    }
    bytes += count * tile;
    segments += runs;
    tiles += count;
  };
  for (std::size_t i = 0; i < content.formats.size(); ++i)
    for (std::size_t j = 0; j < content.formats[i].size(); ++j)
      add(static_cast<cache::Format>(i), content.formats[i][j],
          cache::column_bytes(static_cast<cache::Columns>(j)));
  return bytes + cache::table_bytes(segments, tiles);
}

Index entry_bytes(const cache::Shape& shape, cache::Format format, cache::Columns columns) {
  return numbers_of_tile(shape, format) / kTileEntries + cache::column_bytes(columns);
}

}  // namespace pith::recipe
