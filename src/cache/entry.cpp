#include "cache/entry.h"

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

std::string_view to_string(Format format) {
  switch (format) {
    case Format::bf16:
      return "bf16";
    case Format::f32:
      return "f32";
  }
  return "?";
}

}  // namespace pith::cache
