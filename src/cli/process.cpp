#include "cli/process.h"

#include <malloc.h>

#include <fstream>
#include <sstream>
#include <string>

namespace pith::cli {

Memory memory_usage() {
  ::malloc_trim(0);
  Memory memory;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string key;
    Index kibibytes = 0;
    words >> key >> kibibytes;
    if (key == "VmRSS:") memory.resident = kibibytes * 1024;
    if (key == "VmHWM:") memory.peak = kibibytes * 1024;
  }
  return memory;
}

}  // namespace pith::cli
