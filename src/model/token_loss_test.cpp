#include "model/token_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "base/rng.h"
#include "model/forward.h"
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

// The loss and the pass that writes text see the same capped logits.
TEST_P(TokenLosses, LogitsAreThoseOfTheForwardPass) {
  ForwardWorkspace workspace;
  const Index V = model_->config().vocabulary;
  std::vector<float> logits(static_cast<std::size_t>(kRows * V));
  compute_logits(*model_, hidden_, Numerics::exact, workspace, pool_, logits);
  double expected = 0;
  for (std::size_t r = 0; r < targets_.size(); ++r) {
    const auto row =
        std::span(logits).subspan(r * static_cast<std::size_t>(V), static_cast<std::size_t>(V));
    double sum = 0;
    for (const float x : row) sum += std::exp(double{x});
    for (const auto& [token, weight] : targets_[r])
      expected -= double{weight} * (double{row[static_cast<std::size_t>(token)]} - std::log(sum));
  }
  EXPECT_NEAR(loss(hidden_), expected / 2, 1e-5 * expected);  // of two rows with targets
}

TEST(SoftCap, BoundsEveryLogitAndDoesNothingAtZero) {
  ThreadPool pool(2);
  std::vector<float> logits(20001, 1.0f);
  logits.front() = -100;
  logits.back() = 100;
  const auto before = logits;
  soft_cap(logits, 0, pool);
  EXPECT_EQ(logits, before);
  soft_cap(logits, 2, pool);
  EXPECT_EQ(logits.front(), -2);
  EXPECT_EQ(logits.back(), 2);
  for (std::size_t i = 1; i < 20000; ++i) ASSERT_FLOAT_EQ(logits[i], 2 * std::tanh(0.5f));
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
