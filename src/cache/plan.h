// A plan says which entries every lane will hold next. Pure data: it can be stored, drawn, diffed
// and tested without a model. It is made by recipes and carried out by Cache::apply, the only
// operation that changes entries that exist.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cache/entry.h"

namespace pith::cache {

// New entries of one lane (summaries, virtual tokens). All arrays have one element (or one row) per
// new entry.
struct NewEntries {
  std::vector<EntryInfo> info;  // [m], by ascending position
  std::vector<float> keys;      // [m, D], rotated at info.position
  std::vector<float> values;    // [m, D]
};

struct LanePlan {
  std::vector<std::int32_t>
      keep;  // entries of the lane that stay, as indices in lane order, strictly ascending
  std::vector<float> move_to;  // empty, or [keep]: the position that each kept key is re-rotated to
  std::vector<float> log_weight;  // empty (unchanged), or [keep]
  std::vector<float> values;      // empty (unchanged), or [keep, D]: new values
  std::vector<float> keys;        // empty (unchanged), or [keep, D]: new keys, rotated at the
                                  // positions that the entries will have
  std::optional<Format>
      format;                   // of what is kept and added; none = as the cache stores new entries
  std::vector<Format> formats;  // empty (all as `format` says), or [keep]
  std::vector<float> query_moment;  // empty, or [D, D]: the second moment of the queries that look
                                    // at the lane; keys that are rounded to integers are rounded
                                    // for them (key_rounding.h), else to the nearest codes
  NewEntries add;
};

struct Plan {
  std::vector<LanePlan> lanes;  // [L * Hkv], index layer * Hkv + head

  Index kept() const;
  Index added() const;
};

// A readable account of a plan: entries kept and added per layer. For messages and tests.
std::string summarize(const Plan& plan, const Shape& shape);

}  // namespace pith::cache
