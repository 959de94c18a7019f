#include <benchmark/benchmark.h>

#include "base/files.h"
#include "gguf/gguf.h"
#include "support/models.h"
#include "text/tokenizer.h"

namespace pith {
namespace {

// The text is $PITH_BENCH_TEXT, or the repository's licence eighty times.
std::string bench_text() {
  if (const char* path = std::getenv("PITH_BENCH_TEXT")) return read_file(path);
  const std::string licence = read_file(std::filesystem::path(PITH_SOURCE_DIR) / "LICENSE");
  std::string text;
  for (int i = 0; i < 80; ++i) text += licence;
  return text;
}

void encode(benchmark::State& state, const char* model) {
  const auto path = test::find_model(model);
  if (path.empty()) {
    state.SkipWithError("the model file is missing");
    return;
  }
  const auto tokenizer = Tokenizer::from_gguf(gguf::File::open(path));
  const std::string text = bench_text();
  std::size_t tokens = 0;
  for (auto _ : state) tokens += tokenizer.encode(text).size();
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.counters["tokens"] =
      benchmark::Counter(static_cast<double>(tokens), benchmark::Counter::kAvgIterations);
}

BENCHMARK_CAPTURE(encode, qwen2, "qwen2.5-coder-0.5b-instruct")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, smollm, "smollm2-135m-instruct")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, gemma3, "gemma3-270m")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pith

BENCHMARK_MAIN();
