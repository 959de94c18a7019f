// What queries from behind a document see of the rounding of its keys: to the nearest codes, and
// for the queries of the document (cache/key_rounding.h). All entries stay, values are exact. Means
// over lanes; one row per format.
//
//   bench_rounding MODEL.gguf TEXT
//   bench_rounding qwen2.5-coder-0.5b-instruct.gguf demo/handbook.txt

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <numeric>

#include "base/error.h"
#include "base/files.h"
#include "engine/prompt.h"
#include "engine/reading.h"
#include "recipe/references.h"
#include "recipe/row_kernels.h"
#include "recipe/scene.h"

namespace pith {
namespace {

constexpr Index kReferences = 256;  // of each query head, from a replay

struct Seen {
  double logits = 0;  // root mean square error of q.k, by attention; what shifts a whole row, which
                      // softmax does not see, is left out
  double outputs = 0;  // relative error
};

// Weights and outputs of rows of queries over keys.
struct Attention {
  std::vector<float> logits, weights, outputs;  // [R, n], [R, n], [R, D]
  Attention(std::span<const float> rows, std::span<const float> keys, std::span<const float> values,
            Index depth)
      : logits(recipe::times_transposed(rows, std::ssize(rows) / depth, keys,
                                        std::ssize(keys) / depth, depth)),
        weights(logits) {
    const Index n = std::ssize(keys) / depth;
    std::vector<float> unused(static_cast<std::size_t>(n));
    for (Index r = 0; r < std::ssize(rows) / depth; ++r)
      recipe::row_kernels().softmax_add(weights.data() + r * n, n, unused.data());
    outputs = recipe::product(weights, std::ssize(rows) / depth, values, depth);
  }
};

Seen error_of(const Attention& exact, const Attention& rounded, Index n) {
  Seen error;
  const Index rows = std::ssize(exact.logits) / n;
  for (Index r = 0; r < rows; ++r) {
    double mean = 0, squares = 0;
    for (Index j = r * n; j < (r + 1) * n; ++j) {
      const double p = double{exact.weights[j]}, e = double{rounded.logits[j]} - exact.logits[j];
      mean += p * e;
      squares += p * e * e;
    }
    error.logits += (squares - mean * mean) / static_cast<double>(rows);
  }
  double squares = 0, norm = 0;
  for (std::size_t i = 0; i < exact.outputs.size(); ++i) {
    const double e = double{rounded.outputs[i]} - exact.outputs[i];
    squares += e * e;
    norm += double{exact.outputs[i]} * exact.outputs[i];
  }
  return {std::sqrt(error.logits), std::sqrt(squares / norm)};
}

void measure(const std::string& model, const std::string& file) {
  const auto engine = Engine::load(model);
  const DocumentPrompt prompt(*engine, read_file(file));
  Context context(engine);
  recipe::SignalNeeds needs = recipe::reference_needs("repeat", kReferences);
  needs.rotated_moments = true;
  const auto signals = read_document(context, prompt.context(), needs, prompt.read_options());
  const recipe::Scene scene(context.cache(), signals, &engine->pool());
  const Index depth = scene.shape().head_dim, heads = scene.shape().kv_heads;
  fmt::print(
      "{} tokens, {} lanes\nformat  q.k nearest  for queries  outputs nearest  for queries\n",
      signals.tokens, scene.lanes().size());
  for (const auto format : {cache::Format::int8_k, cache::Format::int4_k, cache::Format::int3_k,
                            cache::Format::int2_k}) {
    Seen sum[2];
    for (const Index lane : scene.lanes()) {
      const auto references = recipe::references_of(scene, lane / heads, "repeat", kReferences);
      const auto rows = recipe::reference_rows(scene, lane, references);
      const auto values = scene.values(lane);
      const Attention exact(rows, scene.keys(lane), values, depth);
      cache::LanePlan plan{.format = format};
      plan.keep.resize(static_cast<std::size_t>(scene.size(lane)));
      std::iota(plan.keep.begin(), plan.keep.end(), 0);
      for (Seen& into : sum) {
        const Attention rounded(rows, context.cache().planned_keys(lane, plan), values, depth);
        const Seen error = error_of(exact, rounded, scene.size(lane));
        into.logits += error.logits / static_cast<double>(scene.lanes().size());
        into.outputs += error.outputs / static_cast<double>(scene.lanes().size());
        const auto& moments = scene.layer(lane / heads).rotated_moment;
        const auto first = moments.begin() + lane % heads * depth * depth;
        plan.query_moment.assign(first, first + depth * depth);  // the second time
      }
    }
    fmt::print("{:6}  {:11.3f}  {:11.3f}  {:15.3f}  {:11.3f}\n", cache::traits(format).name,
               sum[0].logits, sum[1].logits, sum[0].outputs, sum[1].outputs);
  }
}

}  // namespace
}  // namespace pith

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: bench_rounding MODEL.gguf TEXT\n");
    return 2;
  }
  try {
    pith::measure(argv[1], argv[2]);
  } catch (const pith::Error& error) {
    fmt::print(stderr, "bench_rounding: {}\n", error.what());
    return 1;
  }
}
