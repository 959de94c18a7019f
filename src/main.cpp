// The `pith` command. Everything it does lives in src/cli.
#include "cli/cli.h"

int main(int argc, char** argv) { return pith::cli::run(argc, argv); }
