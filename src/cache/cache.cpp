#include "cache/cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/numbers.h"
#include "cache/cache_impl.h"

namespace pith::cache {
namespace {

void check_shape(const Shape& shape, const Rotation& rotation) {
  PITH_CHECK(
      shape.layers > 0 && shape.kv_heads > 0 && shape.head_dim > 0 && shape.head_dim % 2 == 0,
      fmt::format("L {}, Hkv {}, D {}", shape.layers, shape.kv_heads, shape.head_dim));
  const auto layers = static_cast<std::size_t>(shape.layers);
  PITH_CHECK(shape.windows.empty() || shape.windows.size() == layers,
             fmt::format("{} windows for {} layers", shape.windows.size(), layers));
  const auto& frequencies = rotation.inverse_frequencies;
  PITH_CHECK(frequencies.empty() || frequencies.size() == layers,
             fmt::format("rotations of {} layers for {} layers", frequencies.size(), layers));
  for (const auto& layer : frequencies)
    PITH_CHECK(static_cast<Index>(layer.size()) * 2 == shape.head_dim,
               fmt::format("{} frequencies for D {}", layer.size(), shape.head_dim));
}

}  // namespace

bool Rotation::like(const Rotation& other) const {
  constexpr double kTolerance = 1e-12;
  const auto alike = [](double a, double b) {
    return std::abs(a - b) <= kTolerance * std::max(std::abs(a), std::abs(b));
  };
  const auto layers_alike = [&](const std::vector<double>& a, const std::vector<double>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), alike);
  };
  const auto &mine = inverse_frequencies, &others = other.inverse_frequencies;
  return std::equal(mine.begin(), mine.end(), others.begin(), others.end(), layers_alike);
}

Cache::Cache(Shape shape, Rotation rotation, Format format, const std::filesystem::path& folder)
    : impl_(std::make_unique<Impl>()) {
  check_shape(shape, rotation);
  PITH_CHECK(!traits(format).packed,
             fmt::format("new entries in {}: only plans pack entries", to_string(format)));
  impl_->lanes.resize(static_cast<std::size_t>(shape.lanes()));
  impl_->shape = std::move(shape);
  impl_->rotation = std::make_shared<const Rotation>(std::move(rotation));
  impl_->format = format;
  impl_->pool = folder.empty() ? std::make_shared<TilePool>() : std::make_shared<TilePool>(folder);
}

Cache::Cache(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Cache::Cache(Cache&&) noexcept = default;
Cache& Cache::operator=(Cache&&) noexcept = default;
Cache::~Cache() = default;

Cache Cache::fork() const { return Cache(std::make_unique<Impl>(*impl_)); }

const Shape& Cache::shape() const { return impl_->shape; }
const Rotation& Cache::rotation() const { return *impl_->rotation; }
Index Cache::size(Index lane) const { return impl_->lane(lane).size(); }
Index Cache::source_tokens() const { return impl_->source_tokens; }
Index Cache::resident_bytes() const { return impl_->pool->resident_bytes(); }

Index Cache::entries() const {
  Index n = 0;
  for (const Lane& lane : impl_->lanes) n += lane.size();
  return n;
}

Index table_bytes(Index segments, Index tiles) {
  return static_cast<Index>(sizeof(Lane)) + segments * static_cast<Index>(sizeof(Segment)) +
         tiles * static_cast<Index>(sizeof(Tile));
}

Bytes Cache::bytes() const {
  Bytes bytes;
  for (const Lane& lane : impl_->lanes) {
    bytes.tables += static_cast<Index>(sizeof(Lane) + lane.segments.capacity() * sizeof(Segment));
    for (const Segment& segment : lane.segments) {
      const auto tiles = static_cast<Index>(segment.tiles.size());
      bytes.keys_values += tiles * segment.layout.positions();
      if (segment.layout.packed) bytes.keys_values += centre_bytes(segment.layout.head_dim);
      bytes.columns += tiles * (segment.layout.bytes() - segment.layout.positions());
      bytes.tables += static_cast<Index>(segment.tiles.capacity() * sizeof(Tile));
    }
  }
  return bytes;
}

Index Cache::full_bytes() const {
  return (impl_->source_tokens - impl_->first_token) * impl_->shape.lanes() *
         impl_->shape.head_dim * 2 * Index{sizeof(bf16)};
}

void Cache::append(Index layer, std::span<const float> keys, std::span<const float> values,
                   Index first_position, Index first_token) {
  const Index heads = impl_->shape.kv_heads, dim = impl_->shape.head_dim;
  const Index tokens = static_cast<Index>(keys.size()) / (heads * dim);
  PITH_CHECK(layer >= 0 && layer < impl_->shape.layers, fmt::format("layer {}", layer));
  PITH_CHECK(
      static_cast<Index>(keys.size()) == tokens * heads * dim && keys.size() == values.size(),
      fmt::format("{} keys, {} values for Hkv {}, D {}", keys.size(), values.size(), heads, dim));
  PITH_CHECK(first_position >= 0 && first_token >= 0 && first_token + tokens <= INT32_MAX,
             fmt::format("position {}, token {}", first_position, first_token));
  const bool plain = first_position == first_token && first_token + tokens - 1 <= kLastPlainToken;
  const TileLayout layout(impl_->format, plain ? Columns::plain : Columns::annotated, dim);
  const auto lane = [&](Index head) -> Lane& {
    return impl_->lane(impl_->shape.lane(layer, head));
  };
  Index head = 0, t = 0;  // there so far: `tokens` of the heads before `head`, and t of it
  try {
    for (; head < heads && tokens > 0; ++head) {
      Segment& segment = lane(head).tail(layout, static_cast<float>(first_position));
      for (t = 0; t < tokens; ++t) {
        const Index slot = segment.count % kTileEntries;
        std::byte* tile = segment.grow(*impl_->pool);
        const Index at = (t * heads + head) * dim;
        write_key(layout, tile, slot, keys.data() + at, nullptr);
        write_value(layout, tile, slot, values.data() + at);
        const auto token = static_cast<std::int32_t>(first_token + t);
        write_info(
            layout, tile, slot,
            {.position = static_cast<float>(first_position + t), .span = {token, token + 1}});
      }
      t = 0;
    }
  } catch (...) {
    lane(head).drop(t);
    while (head > 0) lane(--head).drop(tokens);
    throw;
  }
  impl_->source_tokens = std::max(impl_->source_tokens, first_token + tokens);
}

void Cache::read_keys(Index lane, std::span<float> out) const {
  PITH_CHECK(static_cast<Index>(out.size()) == size(lane) * impl_->shape.head_dim,
             fmt::format("{} floats", out.size()));
  float* to = out.data();
  for (const Segment& segment : impl_->lane(lane).segments)
    for (Index j = 0; j < segment.count; ++j, to += impl_->shape.head_dim)
      read_key(segment.layout, segment.tile_of(j), j % kTileEntries, segment.centre_data(), to);
}

void Cache::read_values(Index lane, std::span<float> out) const {
  PITH_CHECK(static_cast<Index>(out.size()) == size(lane) * impl_->shape.head_dim,
             fmt::format("{} floats", out.size()));
  float* to = out.data();
  for (const Segment& segment : impl_->lane(lane).segments)
    for (Index j = 0; j < segment.count; ++j, to += impl_->shape.head_dim)
      read_value(segment.layout, segment.tile_of(j), j % kTileEntries, to);
}

std::vector<EntryInfo> Cache::read_info(Index lane) const {
  std::vector<EntryInfo> infos;
  infos.reserve(static_cast<std::size_t>(size(lane)));
  for (const Segment& segment : impl_->lane(lane).segments)
    for (Index j = 0; j < segment.count; ++j) infos.push_back(segment.info(j));
  return infos;
}

std::vector<Format> Cache::read_formats(Index lane) const {
  std::vector<Format> formats;
  for (const Segment& segment : impl_->lane(lane).segments)
    formats.insert(formats.end(), static_cast<std::size_t>(segment.count), segment.layout.format);
  return formats;
}

namespace {

// Whether an entry is one of those that exact tokens from `token` on have.
bool is_exact_from(const EntryInfo& info, Index token) {
  return info.kind == EntryKind::exact && info.span.begin >= token;
}

}  // namespace

void Cache::truncate(Index token) {
  std::vector<std::vector<Index>> counts;  // that remain of every segment of every lane
  for (Index i = 0; i < impl_->shape.lanes(); ++i) {
    auto& left = counts.emplace_back();
    for (const Segment& segment : impl_->lane(i).segments) {
      Index n = segment.count;
      while (n > 0 && is_exact_from(segment.info(n - 1), token)) --n;
      left.push_back(n);
      for (Index j = segment.layout.is_annotated() ? 0 : n; j < n; ++j)
        if (const EntryInfo info = segment.info(j); info.span.end > token)
          fail(ErrorCode::bad_input,
               fmt::format("cannot undo the tokens from {} on: lane {} holds a {} entry for the "
                           "tokens [{}, {}); undo before "
                           "compressing, or fork first",
                           token, i, to_string(info.kind), info.span.begin, info.span.end));
    }
  }
  for (Index i = 0; i < impl_->shape.lanes(); ++i) {
    auto& segments = impl_->lane(i).segments;
    for (std::size_t k = 0; k < segments.size(); ++k)
      segments[k].shrink(counts[static_cast<std::size_t>(i)][k]);
    std::erase_if(segments, [](const Segment& segment) { return segment.count == 0; });
  }
  impl_->source_tokens = std::min(impl_->source_tokens, std::max<Index>(token, 0));
}

void Cache::take_back(Index token) noexcept {
  for (Lane& lane : impl_->lanes) {
    bool all = true;
    while (all && !lane.segments.empty()) {
      const Segment& newest = lane.segments.back();
      Index n = 0;
      while (n < newest.count && is_exact_from(newest.info(newest.count - n - 1), token)) ++n;
      all = n == newest.count;
      lane.drop(n);
    }
  }
  impl_->source_tokens = std::min(impl_->source_tokens, token);
}

// Angles are computed in double: a position of 10^5 in f32 would already cost 3 digits of the
// fastest pair.
void rotate(std::span<const double> frequencies, float from, float to, float* key) {
  const auto half = static_cast<Index>(frequencies.size());
  const double distance = static_cast<double>(to) - static_cast<double>(from);
  for (Index i = 0; i < half; ++i) {
    const double angle = distance * frequencies[static_cast<std::size_t>(i)], c = std::cos(angle),
                 s = std::sin(angle);
    const double a = key[i], b = key[i + half];
    key[i] = static_cast<float>(a * c - b * s);
    key[i + half] = static_cast<float>(a * s + b * c);
  }
}

}  // namespace pith::cache
