// How much memory a cache and its forks needed at most, for accounts of schedules. It is not what
// they hold now: that is Cache::bytes().
#pragma once

#include "cache/cache.h"

namespace pith::cache {

// Bytes of the tiles that were in use at the same time, at most, since the cache was made.
Index peak_bytes(const Cache& cache);

}  // namespace pith::cache
