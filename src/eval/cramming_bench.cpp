// How many tokens a few vectors carry: virtual(loss=tokens) on generated texts, each read into an
// empty context and optimised until the frozen model writes it behind the vectors. One JSON line
// per text, length and number of vectors; lines that OUT holds already are not made again.
//
//   bench_cramming MODEL.gguf OUT.jsonl LENGTHS VECTORS TEXTS [STEPS [LR [prose|shuffled]]]
//   bench_cramming smollm2.gguf cramming.jsonl 16,32,64 1,2,4 5 400 0.01 prose

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/stopwatch.h"
#include "engine/learned/virtual_tokens.h"
#include "eval/text/prose.h"

namespace pith::eval {
namespace {

std::vector<Index> numbers(const std::string& list) {
  std::vector<Index> out;
  std::istringstream in(list);
  for (std::string number; std::getline(in, number, ',');) out.push_back(std::stoll(number));
  return out;
}

// The first `length` tokens of prose; shuffled, the same tokens in another order.
std::vector<Token> text_of(const Engine& engine, Index number, Index length, bool shuffled) {
  Prose prose(Rng(1000 + static_cast<std::uint64_t>(number)));
  std::string text;
  std::vector<Token> tokens;
  while (std::ssize(tokens) < length) {
    text += (text.empty() ? "" : " ") + prose.next();
    tokens = engine.tokenizer().encode(text);
  }
  tokens.resize(static_cast<std::size_t>(length));
  Rng rng(static_cast<std::uint64_t>(number));
  if (shuffled) rng.shuffle(tokens);
  return tokens;
}

struct Options {
  std::vector<Index> lengths, vectors;
  Index texts = 1, steps = 400;
  double rate = 0.01;
  bool shuffled = false;
};

void run(const std::shared_ptr<Engine>& engine, const std::string& path, const Options& options) {
  std::set<std::string> done;
  {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);)
      done.insert(line.substr(0, line.find(", \"hits")));
  }
  std::ofstream out(path, std::ios::app);
  for (const Index length : options.lengths)
    for (const Index vectors : options.vectors)
      for (Index text = 0; text < options.texts && vectors <= length; ++text) {
        const std::string name = fmt::format(
            R"({{"text": "{} {}", "tokens": {}, "vectors": {}, "most_steps": {}, "lr": {})",
            options.shuffled ? "shuffled" : "prose", text, length, vectors, options.steps,
            options.rate);
        if (done.contains(name)) continue;
        const Stopwatch watch;
        Index steps = 0;
        Context context(engine);
        const auto tokens = text_of(*engine, text, length, options.shuffled);
        const VirtualReport report =
            read_as_virtual(context, tokens, 0,
                            {.ratio = static_cast<double>(length) / static_cast<double>(vectors),
                             .steps_per_250 = 0,
                             .least_steps = options.steps,
                             .learning_rate = options.rate,
                             .loss = VirtualLoss::tokens},
                            [&](Index step, Index, float) {
                              steps = step;
                              return true;
                            });
        // What the model knows of the text without any vector.
        Context bare(engine);
        double nats = 0;
        for (const float p : bare.read_and_score(tokens)) nats -= static_cast<double>(p);
        const std::string line = fmt::format(
            R"({}, "hits": {}, "targets": {}, "nats": {:.4f}, "nats_before": {:.4f}, "steps": {}, "seconds": {:.1f}}})",
            name, report.hits, report.targets,
            static_cast<double>(report.last_loss) * static_cast<double>(report.targets), nats,
            steps, watch.seconds());
        out << line << "\n" << std::flush;
        fmt::print("{}\n", line);
      }
}

}  // namespace
}  // namespace pith::eval

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fputs(
        "bench_cramming MODEL.gguf OUT.jsonl LENGTHS VECTORS TEXTS [STEPS [LR [shuffled]]]\n",
        stderr);
    return 2;
  }
  try {
    pith::eval::Options options{.lengths = pith::eval::numbers(argv[3]),
                                .vectors = pith::eval::numbers(argv[4]),
                                .texts = std::stoll(argv[5])};
    if (argc > 6) options.steps = std::stoll(argv[6]);
    if (argc > 7) options.rate = std::stod(argv[7]);
    if (argc > 8) options.shuffled = std::string_view(argv[8]) == "shuffled";
    pith::eval::run(pith::Engine::load(argv[1], {.threads = 1, .numerics = pith::Numerics::exact}),
                    argv[2], options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_cramming: %s\n", error.what());
    return 1;
  }
}
