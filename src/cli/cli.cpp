#include "cli/cli.h"

#include <cstdio>

namespace pith::cli {

int run(int, char**) {
  std::puts("pith " PITH_VERSION);
  return 0;
}

}  // namespace pith::cli
