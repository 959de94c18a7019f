// The command line: one function per subcommand behind `run`.
// It is not a library: it prints, reads files and exits with a code, and holds no logic that
// another face would need.
#pragma once

namespace pith::cli {

// Runs `pith ARGS...`. Returns the process's exit code: 0 done, 1 the input was at fault, 2 wrong
// usage.
int run(int argc, char** argv);

}  // namespace pith::cli
