#include "model/token_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "base/rng.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

class TokenLosses : public ::testing::TestWithParam<const char*> {
 protected:
  static constexpr Index kRows = 3, kWidth = 64;

  void SetUp() override {
    test::TinyModelOptions options;
    options.architecture = GetParam();
    options.tied = options.architecture != "llama";
    if (options.architecture == "gemma3") options.logit_softcap = 2;
    bytes_ = test::tiny_model(options);
    model_.emplace(Model::from(gguf::File::parse(bytes_, "tiny")));
    Rng rng(2);
    for (Index i = 0; i < kRows * kWidth; ++i) hidden_.push_back(static_cast<float>(rng.normal()));
  }

  double loss(const std::vector<float>& hidden) {
    return token_loss(*model_, hidden, targets_, {}, Numerics::exact, pool_).loss;
  }

  std::vector<std::byte> bytes_;
  std::optional<Model> model_;
  std::vector<float> hidden_;
  std::vector<RowTarget> targets_ = {{{5, 1}}, {}, {{7, 0.5f}, {300, 0.3f}}};
  ThreadPool pool_{2};
};

TEST_P(TokenLosses, GradientsAgreeWithDifferences) {
  std::vector<float> gradient(hidden_.size());
  token_loss(*model_, hidden_, targets_, gradient, Numerics::exact, pool_);
  for (Index i = 0; i < kRows * kWidth; i += 5) {
    auto high = hidden_, low = hidden_;
    constexpr float kStep = 1e-2f;
    high[i] += kStep;
    low[i] -= kStep;
    EXPECT_NEAR(gradient[i], (loss(high) - loss(low)) / (2 * double{kStep}), 3e-5) << i;
  }
}

TEST_P(TokenLosses, RowsWithoutTargetGetNone) {
  std::vector<float> gradient(hidden_.size(), 1.0f);
  const TokenLoss found = token_loss(*model_, hidden_, targets_, gradient, Numerics::exact, pool_);
  EXPECT_EQ(found.targets, 2);
  for (Index i = kWidth; i < 2 * kWidth; ++i) EXPECT_EQ(gradient[i], 0);
}

// Fast products round states and slopes: they point almost where the exact ones do.
TEST_P(TokenLosses, FastGradientsAreNearExactOnes) {
  std::vector<float> exact(hidden_.size()), fast(hidden_.size());
  const double loss = token_loss(*model_, hidden_, targets_, exact, Numerics::exact, pool_).loss;
  EXPECT_NEAR(token_loss(*model_, hidden_, targets_, fast, Numerics::fast, pool_).loss, loss,
              2e-2 * loss);
  double error = 0, size = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    error += std::pow(double{fast[i]} - double{exact[i]}, 2);
    size += double{exact[i]} * double{exact[i]};
  }
  EXPECT_LT(std::sqrt(error / size), 0.02);
  EXPECT_GT(error, 0);  // these are not the exact ones
}

// What a row finds likeliest costs minus the logarithm of its probability, and is a hit.
TEST_P(TokenLosses, LikeliestTokensAreHits) {
  const auto likeliest = likeliest_tokens(*model_, hidden_, 2, Numerics::exact, pool_);
  double expected = 0;
  for (std::size_t r = 0; r < targets_.size(); ++r) {
    EXPECT_GE(likeliest[r][0].weight, likeliest[r][1].weight);
    targets_[r] = {{likeliest[r][0].token, 1}};
    expected -= std::log(static_cast<double>(likeliest[r][0].weight)) / 3;
  }
  const TokenLoss found = token_loss(*model_, hidden_, targets_, {}, Numerics::exact, pool_);
  EXPECT_EQ(found.hits, 3);
  EXPECT_NEAR(found.loss, expected, 1e-5);
}

TEST_P(TokenLosses, HugeLogitsStayFinite) {
  for (float& x : hidden_) x *= 1e4f;
  std::vector<float> gradient(hidden_.size());
  EXPECT_TRUE(
      std::isfinite(token_loss(*model_, hidden_, targets_, gradient, Numerics::exact, pool_).loss));
  for (float g : gradient) ASSERT_TRUE(std::isfinite(g));
}

INSTANTIATE_TEST_SUITE_P(Models, TokenLosses, ::testing::Values("llama", "qwen2", "gemma3"));

}  // namespace
}  // namespace pith
