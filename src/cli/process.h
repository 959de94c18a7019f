// What this process takes from the machine, for honest tables. Nothing about models or caches.
#pragma once

#include "base/types.h"

namespace pith::cli {

struct Memory {
  Index resident = 0;  // bytes in memory now; mapped model pages count
  Index peak = 0;      // the most there ever was
};

// Gives freed heap memory back to the system first, so that the number says what is still held.
Memory memory_usage();

}  // namespace pith::cli
