// A turn's entries and what stood in the cache before them, read out as plain f32 arrays: what
// gradients run over.
#pragma once

#include "cache/cache.h"
#include "model/gradient.h"

namespace pith {

struct TurnEntries {
  RowEntries rows;  // [L][N, Hkv, D]: the newest N entries of every lane
  PastLanes past;   // the entries before them
};

// N may be 0: everything is past then.
TurnEntries read_turn(const cache::Cache& cache, Index tokens);

}  // namespace pith
