#include "engine/engine.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "support/error_of.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

std::shared_ptr<Engine> tiny_engine(const std::vector<std::byte>& file) {
  return Engine::from(gguf::File::parse(file, "tiny"), {.threads = 2, .numerics = Numerics::exact});
}

// The output projection's columns of one query head, applied to one value in double.
std::vector<double> projected(const WeightMatrix& w, Index head, std::span<const float> value) {
  const Index D = std::ssize(value);
  std::vector<double> out;
  std::vector<float> row(static_cast<std::size_t>(w.cols));
  for (Index e = 0; e < w.rows; ++e) {
    dequantize(w, e, 0, w.cols, row);
    double sum = 0;
    for (Index i = 0; i < D; ++i)
      sum += static_cast<double>(row[static_cast<std::size_t>(head * D + i)]) *
             static_cast<double>(value[static_cast<std::size_t>(i)]);
    out.push_back(sum);
  }
  return out;
}

// Heads narrower than a block, and heads whose edges lie inside blocks.
TEST(Engine, ProjectedValuesAreThoseOfWholeRowsWhateverTheBlocks) {
  const test::TinyModelOptions models[] = {
      {.weights = WeightType::q8_0},
      {.width = 256,
       .heads = 8,
       .kv_heads = 4,
       .head_dim = 32,
       .ff = 256,
       .weights = WeightType::q4_k},
      {.heads = 6, .kv_heads = 2, .head_dim = 80, .weights = WeightType::q5_0},
      {.weights = WeightType::f32}};
  for (const auto& options : models) {
    SCOPED_TRACE(info(options.weights).name);
    const auto file = test::tiny_model(options);
    const auto engine = tiny_engine(file);
    const Index D = options.head_dim, group = options.heads / options.kv_heads, n = 67;
    const WeightMatrix& w = engine->model().layer(1).output;
    Rng rng(3);
    std::vector<float> values(static_cast<std::size_t>(n * D));
    for (float& value : values) value = static_cast<float>(rng.normal());
    for (Index kv_head = 0; kv_head < options.kv_heads; ++kv_head) {
      std::vector<float> sums(static_cast<std::size_t>(n)),
          norms(static_cast<std::size_t>(group * n));
      engine->projected_value_sums(1, kv_head, values, sums);
      engine->projected_value_norms(1, kv_head, values, norms);
      for (Index j = 0; j < n; ++j) {
        const auto value =
            std::span(values).subspan(static_cast<std::size_t>(j * D), static_cast<std::size_t>(D));
        double mean = 0;
        for (Index g = 0; g < group; ++g) {
          double sum = 0, square = 0;
          for (double x : projected(w, kv_head * group + g, value)) {
            sum += std::abs(x);
            square += x * x;
          }
          mean += sum / static_cast<double>(group);
          EXPECT_NEAR(norms[static_cast<std::size_t>(g * n + j)], std::sqrt(square), 1e-3);
        }
        ASSERT_GT(mean, 1);
        ASSERT_NEAR(sums[static_cast<std::size_t>(j)] / mean, 1, 1e-4);
      }
    }
  }
}

TEST(Engine, RefusesATokenizerWithMoreTokensThanTheEmbeddingHasRows) {
  const test::TinyModelOptions options;
  gguf::Writer writer;
  test::set_tiny_hyperparameters(writer, options);
  test::set_tiny_tokenizer(writer, options.vocab + 2);
  test::add_tiny_tensors(writer, options);
  const auto file = writer.bytes();
  EXPECT_EQ(test::error_of([&] { tiny_engine(file); }),
            "tiny: the tokenizer has 322 tokens, token_embd.weight only 320 rows; every token "
            "needs one");
}

}  // namespace
}  // namespace pith
