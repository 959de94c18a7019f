// File layout, little-endian:
//   "PITHCTX3" (read, no longer written: "PITHCTX2", the same without segments of weighted entries;
//   "PITHCTX1", which has no packed segments either)
//   sections in this order: INFO, SHAP, then one LAYR for each layer; nothing follows
//
//   section = tag char[4], u32 zero, u64 length, u64 XXH3 of the payload, payload
//   string  = u64 length, bytes
//   INFO    = u64 model hash, i64 next position, string model name, string recipe,
//             u64 count, i32 tokens
//   SHAP    = i64 L, i64 Hkv, i64 D, i64 source tokens, u64 format of new entries,
//             u64 count (0 or L), i64 windows, u64 count (0 or L * D/2), f64 inverse frequencies
//   LAYR    = for each KV head: u64 segments, then each segment
//   segment = u32 format, u32 columns, i64 entries, of packed formats f32 centre [D], then tiles
//             as in memory (cache/lane.h) with unused slots zero
#include "cache/snapshot.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/byte_stream.h"
#include "base/error.h"
#include "base/files.h"
#include "cache/cache_impl.h"

namespace pith::cache {
namespace {

constexpr std::array<std::string_view, 3> kMagics = {"PITHCTX1", "PITHCTX2", "PITHCTX3"};
constexpr std::string_view kMagic = kMagics.back();
constexpr Index kSectionHeader = 24;
constexpr Index kMaxHeadDim = 1024;  // the largest of any known model is 512; tiles must fit a slab

struct SectionHeader {
  char tag[4];
  std::uint32_t zero;
  std::uint64_t length, hash;
};
static_assert(sizeof(SectionHeader) == kSectionHeader);

// Writes what was gathered as one section, and starts anew.
void write_section(const char* tag, ByteWriter& writer, FileWriter& file) {
  const std::string& payload = writer.payload();
  SectionHeader header{{}, 0, payload.size(), XXH3_64bits(payload.data(), payload.size())};
  std::memcpy(header.tag, tag, 4);
  file.write(std::as_bytes(std::span(&header, 1)));
  file.write(payload);
  writer.clear();
}

ByteReader section_reader(std::span<const std::byte> bytes, const std::string& label,
                          const std::string& file) {
  return {bytes, fmt::format("{}: section {}", file, label), "make the snapshot again"};
}

// Walks the sections of a file.
class File {
 public:
  File(std::span<const std::byte> bytes, const std::string& name) : left_(bytes), name_(name) {
    const std::string_view magic(reinterpret_cast<const char*>(bytes.data()),
                                 std::min(bytes.size(), kMagic.size()));
    const auto known = std::find(kMagics.begin(), kMagics.end(), magic);
    if (known == kMagics.end())
      fail(ErrorCode::bad_file,
           fmt::format("{} is not a pith context that this version reads (expected it to begin "
                       "with {})",
                       name, fmt::join(kMagics, ", ")));
    version_ = 1 + static_cast<int>(known - kMagics.begin());
    left_ = left_.subspan(kMagic.size());
  }

  ByteReader section(std::string_view tag, const std::string& label) {
    SectionHeader header;
    if (left_.size() < sizeof header)
      fail(ErrorCode::bad_file,
           fmt::format("{} ends before section {}; make the snapshot again", name_, label));
    std::memcpy(&header, left_.data(), sizeof header);
    left_ = left_.subspan(sizeof header);
    const ByteReader reader = section_reader({}, label, name_);
    reader.expect(std::string_view(header.tag, 4) == tag && header.zero == 0,
                  "it is not where it belongs");
    reader.expect(header.length <= left_.size(), "the file ends early");
    const auto payload = left_.first(static_cast<std::size_t>(header.length));
    reader.expect(XXH3_64bits(payload.data(), payload.size()) == header.hash,
                  "its checksum differs");
    left_ = left_.subspan(payload.size());
    return section_reader(payload, label, name_);
  }

  int version() const { return version_; }
  Index left() const { return static_cast<Index>(left_.size()); }
  void end() const {
    if (!left_.empty())
      fail(ErrorCode::bad_file,
           fmt::format("{} has {} bytes after its last section", name_, left_.size()));
  }

 private:
  std::span<const std::byte> left_;
  const std::string& name_;
  int version_ = 0;
};

void write_segment(const Segment& segment, ByteWriter& writer) {
  const TileLayout& layout = segment.layout;
  writer.number(static_cast<std::uint32_t>(layout.format));
  writer.number(static_cast<std::uint32_t>(layout.columns));
  writer.number(segment.count);
  if (layout.packed)
    writer.bytes(segment.centre_data(), static_cast<std::size_t>(layout.head_dim) * sizeof(float));
  std::vector<std::byte> clean(static_cast<std::size_t>(layout.bytes()));
  for (Index first = 0; first < segment.count; first += kTileEntries) {
    std::memset(clean.data(), 0, clean.size());  // neither stale entries nor padding reach the disk
    const std::byte* tile = segment.tile_of(first);
    for (Index slot = 0; slot < std::min(kTileEntries, segment.count - first); ++slot) {
      copy_entry(layout, tile, slot, clean.data(), slot);
      write_info(layout, clean.data(), slot, read_info(layout, tile, slot));
    }
    writer.bytes(clean.data(), clean.size());
  }
}

SnapshotInfo read_info(File& file) {
  ByteReader reader = file.section("INFO", "INFO");
  SnapshotInfo info;
  info.version = file.version();
  info.model_hash = reader.number<std::uint64_t>();
  info.next_position = reader.number<Index>();
  info.model_name = reader.string();
  info.recipe = reader.string();
  info.tokens = reader.array<Token>();
  reader.expect(info.next_position >= 0, "the next position is negative");
  reader.end();
  return info;
}

// An empty cache of the shape in the file.
Cache read_shape(File& file, const SnapshotInfo& info) {
  ByteReader reader = file.section("SHAP", "SHAP");
  Shape shape;
  shape.layers = reader.number<Index>();
  shape.kv_heads = reader.number<Index>();
  shape.head_dim = reader.number<Index>();
  const auto source_tokens = reader.number<Index>();
  const auto format = reader.number<std::uint64_t>();
  // Each layer has a section of its own, each head at least a count there: this bounds what the
  // cache may allocate.
  reader.expect(shape.layers > 0 && shape.layers <= file.left() / kSectionHeader,
                "the number of layers");
  reader.expect(shape.kv_heads > 0 && shape.kv_heads <= file.left() / 8 / shape.layers,
                "the number of KV heads");
  reader.expect(shape.head_dim > 0 && shape.head_dim % 2 == 0 && shape.head_dim <= kMaxHeadDim,
                "the head dimension");
  reader.expect(source_tokens >= 0 && source_tokens <= static_cast<Index>(info.tokens.size()),
                "the source tokens");
  reader.expect(format <= static_cast<std::uint64_t>(Format::f32), "the format");
  shape.windows = reader.array<Index>();
  const auto layers = static_cast<std::size_t>(shape.layers),
             half = static_cast<std::size_t>(shape.head_dim / 2);
  reader.expect(shape.windows.empty() || shape.windows.size() == layers, "the number of windows");
  for (Index window : shape.windows) reader.expect(window >= 0, "a window is negative");
  const auto frequencies = reader.array<double>();
  reader.expect(frequencies.empty() || frequencies.size() == layers * half,
                "the number of frequencies");
  Rotation rotation;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    reader.expect(std::isfinite(frequencies[i]), "a frequency is not finite");
    if (i % half == 0) rotation.inverse_frequencies.emplace_back();
    rotation.inverse_frequencies.back().push_back(frequencies[i]);
  }
  reader.end();
  Cache cache(std::move(shape), std::move(rotation), static_cast<Format>(format));
  cache.impl().source_tokens = source_tokens;
  return cache;
}

void check_entry(const ByteReader& reader, const EntryInfo& info, float previous,
                 Index source_tokens) {
  reader.expect(std::isfinite(info.position) && info.position >= previous,
                "positions do not ascend");
  reader.expect(std::isfinite(info.log_weight), "a log-weight is not finite");
  reader.expect(
      info.span.begin >= 0 && info.span.begin <= info.span.end && info.span.end <= source_tokens,
      "an entry stands for tokens that are not there");
  reader.expect(info.kind <= EntryKind::virtual_entry, "an entry is of no known kind");
}

// The centre of a packed segment.
std::vector<float> read_centre(ByteReader& reader, Index head_dim) {
  auto centre = reader.values<float>(static_cast<std::uint64_t>(head_dim));
  for (float x : centre) reader.expect(std::isfinite(x), "a centre is not finite");
  return centre;
}

Segment read_segment(ByteReader& reader, const Cache::Impl& cache, int version) {
  const auto format = reader.number<std::uint32_t>(), columns = reader.number<std::uint32_t>();
  const auto count = reader.number<Index>();
  const Format last_format = version < 2 ? Format::f32 : kLastFormat;
  const Columns last_columns = version < 3 ? Columns::annotated : Columns::weighted;
  reader.expect(format <= static_cast<std::uint32_t>(last_format), "a segment's format");
  reader.expect(columns <= static_cast<std::uint32_t>(last_columns), "a segment's columns");
  const TileLayout layout(static_cast<Format>(format), static_cast<Columns>(columns),
                          cache.shape.head_dim);
  reader.expect(count > 0 && (count - 1) / kTileEntries < reader.left() / layout.bytes(),
                "a segment's size");
  Segment segment(layout);
  if (layout.packed)
    segment.centre =
        std::make_shared<const std::vector<float>>(read_centre(reader, cache.shape.head_dim));
  float previous = -std::numeric_limits<float>::infinity();
  for (Index first = 0; first < count; first += kTileEntries) {
    const auto bytes = reader.bytes(static_cast<std::uint64_t>(layout.bytes()));
    Tile tile = cache.pool->allocate(layout.bytes());
    std::memcpy(tile.data(), bytes.data(), bytes.size());
    for (Index slot = 0; slot < std::min(kTileEntries, count - first); ++slot) {
      // A span without a column is the position as an integer: it must be one before that.
      const float position = read_position(layout, tile.data(), slot);
      reader.expect(layout.is_annotated() ||
                        (position >= 0 && position <= static_cast<float>(kLastPlainToken) &&
                         position == std::floor(position)),
                    "a position is not that of a token");
      check_entry(reader, read_info(layout, tile.data(), slot), previous, cache.source_tokens);
      previous = position;
    }
    segment.tiles.push_back(std::move(tile));
  }
  segment.count = count;
  return segment;
}

}  // namespace

void save(const Cache& cache, const SnapshotInfo& info, const std::filesystem::path& path) {
  const Shape& shape = cache.shape();
  if (static_cast<Index>(info.tokens.size()) < cache.source_tokens())
    fail(ErrorCode::bad_input,
         fmt::format("cannot save {}: the cache has read {} tokens, the snapshot names {}",
                     path.string(), cache.source_tokens(), info.tokens.size()));
  FileWriter file(path);
  file.write(kMagic);
  ByteWriter writer;
  writer.number(info.model_hash);
  writer.number(info.next_position);
  writer.string(info.model_name);
  writer.string(info.recipe);
  writer.array(std::span(info.tokens));
  write_section("INFO", writer, file);

  for (Index number : {shape.layers, shape.kv_heads, shape.head_dim, cache.source_tokens()})
    writer.number(number);
  writer.number(static_cast<std::uint64_t>(cache.impl().format));
  writer.array(std::span(shape.windows));
  std::vector<double> frequencies;
  for (const auto& layer : cache.rotation().inverse_frequencies)
    frequencies.insert(frequencies.end(), layer.begin(), layer.end());
  writer.array(std::span<const double>(frequencies));
  write_section("SHAP", writer, file);

  for (Index layer = 0; layer < shape.layers; ++layer) {
    for (Index head = 0; head < shape.kv_heads; ++head) {
      const Lane& lane = cache.impl().lane(shape.lane(layer, head));
      writer.number<std::uint64_t>(lane.segments.size());
      for (const Segment& segment : lane.segments) write_segment(segment, writer);
    }
    write_section("LAYR", writer, file);
  }
  file.commit();
}

Snapshot parse(std::span<const std::byte> bytes, const std::string& name) {
  File file(bytes, name);
  SnapshotInfo info = read_info(file);
  Cache empty = read_shape(file, info);
  Snapshot snapshot{std::move(info), std::move(empty)};
  Cache::Impl& cache = snapshot.cache.impl();
  for (Index layer = 0; layer < cache.shape.layers; ++layer) {
    ByteReader reader = file.section("LAYR", fmt::format("LAYR of layer {}", layer));
    for (Index head = 0; head < cache.shape.kv_heads; ++head)
      for (auto left = reader.number<std::uint64_t>(); left > 0; --left)
        cache.lane(cache.shape.lane(layer, head))
            .segments.push_back(read_segment(reader, cache, file.version()));
    reader.end();
  }
  file.end();
  return snapshot;
}

Snapshot load(const std::filesystem::path& path) {
  return parse(MappedFile::open(path).bytes(), path.string());
}

SnapshotInfo load_info(const std::filesystem::path& path) {
  const MappedFile mapped = MappedFile::open(path);
  const std::string name = path.string();
  File file(mapped.bytes(), name);
  return read_info(file);
}

}  // namespace pith::cache
