#include "cache/peak.h"

#include "cache/cache_impl.h"

namespace pith::cache {

Index peak_bytes(const Cache& cache) { return cache.impl().pool->peak_bytes(); }

}  // namespace pith::cache
