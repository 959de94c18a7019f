#include "cache/entry.h"

#include <iterator>

namespace pith::cache {

std::string_view to_string(EntryKind kind) {
  switch (kind) {
    case EntryKind::exact:
      return "exact";
    case EntryKind::summary:
      return "summary";
    case EntryKind::virtual_entry:
      return "virtual";
  }
  return "?";
}

std::string_view to_string(Format format) { return traits(format).name; }

const FormatTraits& traits(Format format) {
  static constexpr FormatTraits kTraits[] = {
      {"bf16", 16, false, Packing::int8, false, false},
      {"f32", 32, false, Packing::int8, false, false},
      {"int8", 8, true, Packing::int8, false, false},
      {"int8_k", 8, true, Packing::int8, true, false},
      {"int8_kv", 8, true, Packing::int8, true, true},
      {"int4", 4, true, Packing::int4, false, false},
      {"int4_k", 4, true, Packing::int4, true, false},
      {"int4_kv", 4, true, Packing::int4, true, true},
      {"int2", 2, true, Packing::int2, false, false},
      {"int2_k", 2, true, Packing::int2, true, false},
      {"int2_kv", 2, true, Packing::int2, true, true},
      {"e4m3", 8, true, Packing::e4m3, false, false},
      {"int3", 3, true, Packing::int3, false, false},
      {"int3_k", 3, true, Packing::int3, true, false},
      {"int3_kv", 3, true, Packing::int3, true, true},
  };
  static_assert(std::size(kTraits) == static_cast<std::size_t>(kLastFormat) + 1);
  return kTraits[static_cast<std::size_t>(format)];
}

Columns columns_of(const EntryInfo& info) {
  const bool in_place = info.kind == EntryKind::exact && info.span.end == info.span.begin + 1 &&
                        info.position == static_cast<float>(info.span.begin) &&
                        info.span.begin <= kLastPlainToken;
  if (!in_place) return Columns::annotated;
  return info.log_weight == 0 ? Columns::plain : Columns::weighted;
}

Index column_bytes(Columns columns) {
  constexpr Index kPosition = 4, kLogWeight = 4, kSpan = 8, kKind = 1;
  switch (columns) {
    case Columns::plain:
      return kPosition;
    case Columns::weighted:
      return kPosition + kLogWeight;
    case Columns::annotated:
      break;
  }
  return kPosition + kLogWeight + kSpan + kKind;
}

}  // namespace pith::cache
