// bf16, f32, and the packed formats int8, int4, int3, int2 and e4m3: how what is kept and added is
// stored. Packed formats leave sinks, the newest tokens and chosen layers in bf16. Integers round
// keys for the queries that the context has (cache/key_rounding.h).

#include <algorithm>
#include <numeric>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

using cache::Format;

// A format's own kinds: nothing rotated, keys, keys and values.
struct Kinds {
  Format none, keys, both;
};
constexpr Kinds kInt8 = {Format::int8, Format::int8_k, Format::int8_kv};
constexpr Kinds kInt4 = {Format::int4, Format::int4_k, Format::int4_kv};
constexpr Kinds kInt3 = {Format::int3, Format::int3_k, Format::int3_kv};
constexpr Kinds kInt2 = {Format::int2, Format::int2_k, Format::int2_kv};
constexpr Kinds kE4m3 = {Format::e4m3, Format::e4m3, Format::e4m3};

std::vector<float> query_moment_of(const Scene& scene, Index lane) {
  const Index heads = scene.shape().kv_heads,
              size = scene.shape().head_dim * scene.shape().head_dim;
  const auto first = scene.layer(lane / heads).rotated_moment.begin() + lane % heads * size;
  return {first, first + size};
}

Format rotated(const Kinds& kinds, std::string_view what) {
  return what == "keys" ? kinds.keys : what == "both" ? kinds.both : kinds.none;
}

bool rounds_for_queries(const Arguments& arguments) {
  return arguments.choice("rounding") == "queries";
}

SignalNeeds needs(const Arguments& arguments) {
  return {.rotated_moments = rounds_for_queries(arguments)};
}

bool in_bf16(const Scene& scene, const Arguments& arguments, Index lane) {
  const Index layer = lane / scene.shape().kv_heads;
  return !scene.compressible(lane) || layer < arguments.integer("first_layers") ||
         layer >= scene.shape().layers - arguments.integer("last_layers");
}

// Sets the lowest-scored part of what is `packed` among the kept entries of a lane; the older one
// of equals is the colder one.
void chill(std::span<const cache::EntryInfo> info, const std::vector<float>& scores, double part,
           Format packed, Format cold, cache::LanePlan& plan) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < plan.keep.size(); ++i)
    if (plan.formats[i] == packed) order.push_back(i);
  const auto count = static_cast<std::ptrdiff_t>(part * static_cast<double>(order.size()));
  const auto entry = [&](std::size_t i) { return static_cast<std::size_t>(plan.keep[i]); };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const float x = scores.empty() ? 0 : scores[entry(a)],
                y = scores.empty() ? 0 : scores[entry(b)];
    if (x != y) return x < y;
    return info[entry(a)].position < info[entry(b)].position;
  });
  std::for_each(order.begin(), order.begin() + count,
                [&](std::size_t i) { plan.formats[i] = cold; });
}

template <const Kinds& kKinds>
void assign(const Scene& scene, const Arguments& arguments, const Scores& scores,
            cache::Plan& plan) {
  const bool rotates = kKinds.none != kKinds.keys;  // and rounds to integers
  const std::string_view what = rotates ? arguments.choice("rotate") : "none";
  const Format packed = rotated(kKinds, what);
  const bool can_chill = kKinds.none != Format::int2;
  const double cold = can_chill ? arguments.real("cold") : 0;
  const Index newest = scene.cache().source_tokens() - arguments.integer("recent");
  for (Index lane = 0; lane < scene.shape().lanes(); ++lane) {
    cache::LanePlan& own = plan.lanes[lane];
    own.format = in_bf16(scene, arguments, lane) ? Format::bf16 : packed;
    if (own.format == Format::bf16) continue;
    if (rotates && rounds_for_queries(arguments)) own.query_moment = query_moment_of(scene, lane);
    for (const std::int32_t j : own.keep) {
      const cache::Span span = scene.info(lane)[j].span;
      const bool is_bf16 = span.begin < arguments.integer("sinks") || span.end > newest;
      own.formats.push_back(is_bf16 ? Format::bf16 : packed);
    }
    if (cold > 0)
      chill(scene.info(lane), scores.lanes[lane], cold, packed,
            rotated(kInt2, rotates ? what : "keys"), own);
  }
}

// `rounding`: its values, the default first; empty for what is no integer.
std::vector<Parameter> parameters(std::vector<std::string_view> rounding, bool can_chill) {
  std::vector<Parameter> list;
  if (!rounding.empty())
    list.push_back(choice("rotate", {"keys", "none", "both"},
                          "what a Hadamard rotation spreads before it is rounded: keys (and "
                          "queries), or values, too"));
  list.push_back(integer("sinks", "4", 0, 1e6, "first tokens that stay in bf16"));
  list.push_back(integer("recent", "128", 0, 1e9, "newest tokens that stay in bf16"));
  list.push_back(integer("first_layers", "0", 0, 1e4, "first layers that stay in bf16"));
  list.push_back(integer("last_layers", "0", 0, 1e4, "last layers that stay in bf16"));
  if (can_chill)
    list.push_back(real("cold", "0", 0, 1,
                        "part of the packed entries of a lane, those of the least score, that "
                        "takes 2 bits"));
  if (!rounding.empty())
    list.push_back(choice("rounding", std::move(rounding),
                          "of keys. queries: numbers make up for one another's errors, so that "
                          "queries like the context's see least of them; nearest: each to its "
                          "nearest code"));
  return list;
}

}  // namespace

PartInfo bf16_part() {
  return {.name = "bf16",
          .kind = PartKind::format,
          .summary = "2 bytes per number, the reference of all byte ratios",
          .source = "the model's own format",
          .format = cache::Format::bf16};
}

PartInfo f32_part() {
  return {.name = "f32",
          .kind = PartKind::format,
          .summary = "4 bytes per number, for exact comparisons",
          .source = "tests and references",
          .format = cache::Format::f32};
}

PartInfo int8_part() {
  return {.name = "int8",
          .kind = PartKind::format,
          .summary = "8 bits per number, one scale and zero per key and per value",
          .source = "per-token asymmetric rounding; centred keys: SageAttention, arXiv 2410.02367",
          .parameters = parameters({"nearest", "queries"}, true),
          .needs = needs,
          .assign = assign<kInt8>,
          .format = Format::int8};
}

PartInfo int4_part() {
  return {.name = "int4",
          .kind = PartKind::format,
          .summary = "4 bits per number, rotated, one scale and zero per key and per value",
          .source = "SAW-INT4's rotated tokens; centred keys: SageAttention, arXiv 2410.02367",
          .parameters = parameters({"queries", "nearest"}, true),
          .needs = needs,
          .assign = assign<kInt4>,
          .format = Format::int4};
}

PartInfo int3_part() {
  return {.name = "int3",
          .kind = PartKind::format,
          .summary = "3 bits per number, rotated, one scale and zero per key and per value",
          .source = "as int4",
          .parameters = parameters({"queries", "nearest"}, true),
          .needs = needs,
          .assign = assign<kInt3>,
          .format = Format::int3};
}

PartInfo int2_part() {
  return {.name = "int2",
          .kind = PartKind::format,
          .summary = "2 bits per number, rotated, one scale and zero per key and per value",
          .source = "as int4; 2 bits: KIVI, arXiv 2402.02750",
          .parameters = parameters({"queries", "nearest"}, false),
          .needs = needs,
          .assign = assign<kInt2>,
          .format = Format::int2};
}

PartInfo e4m3_part() {
  return {.name = "e4m3",
          .kind = PartKind::format,
          .summary = "8-bit floats of 4 bits of exponent, one scale per key and per value",
          .source = "FP8 formats, arXiv 2209.05433, without subnormals, zero and NaN",
          .parameters = parameters({}, true),
          .assign = assign<kE4m3>,
          .format = Format::e4m3};
}

}  // namespace pith::recipe
