// Writes a tiny random model for the tests of the command line: make_tiny_model FILE [ARCHITECTURE
// [SEED [CONTEXT]]]
#include <cstdlib>

#include "base/files.h"
#include "support/tiny_model.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  pith::test::TinyModelOptions options;
  if (argc > 2) options.architecture = argv[2];
  if (argc > 3) options.seed = std::strtoull(argv[3], nullptr, 10);
  if (argc > 4) options.context = std::strtoll(argv[4], nullptr, 10);
  const auto bytes = pith::test::tiny_model(options);
  pith::FileWriter file(argv[1]);
  file.write(std::span<const std::byte>(bytes));
  file.commit();
}
