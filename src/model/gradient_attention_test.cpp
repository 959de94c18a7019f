#include "model/gradient_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/rng.h"

namespace pith {
namespace {

std::vector<float> normal(Index n, Rng& rng) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& value : x) value = static_cast<float>(rng.normal());
  return x;
}

// More rows than one block, two heads to a KV head, past entries of which some count more.
class AttendRows : public ::testing::TestWithParam<Index> {
 protected:
  static constexpr Index kRows = 70, kHeads = 4, kKvHeads = 2, kDepth = 8, kPast = 5;

  void SetUp() override {
    shape_ = {.rows = kRows,
              .query_heads = kHeads,
              .kv_heads = kKvHeads,
              .head_dim = kDepth,
              .scale = 0.4f,
              .window = GetParam()};
    Rng rng(1);
    for (Index h = 0; h < kKvHeads; ++h)
      past_.push_back({.keys = normal(kPast * kDepth, rng),
                       .values = normal(kPast * kDepth, rng),
                       .log_weights = {0, 0.7f, 0, -0.3f, 0},
                       .positions = {0, 1, 2, 3, 4}});
    for (Index r = 0; r < kRows; ++r) positions_.push_back(kPast + r);
    queries_ = normal(kRows * kHeads * kDepth, rng);
    keys_ = normal(kRows * kKvHeads * kDepth, rng);
    values_ = normal(kRows * kKvHeads * kDepth, rng);
    dout_ = normal(kRows * kHeads * kDepth, rng);
    run();
  }

  AttentionRows rows() const { return {past_, positions_, queries_, keys_, values_}; }
  double run() {
    out_.resize(queries_.size());
    log_sums_.resize(static_cast<std::size_t>(kRows * kHeads));
    attend_rows(shape_, rows(), out_, log_sums_, pool_);
    double sum = 0;
    for (std::size_t i = 0; i < out_.size(); ++i) sum += double{out_[i]} * double{dout_[i]};
    return sum;
  }

  // The slope of the loss along a random direction, analytic and by central differences.
  void check(std::vector<float>& x, const std::vector<float>& gradient) {
    Rng rng(9);
    const auto direction = normal(std::ssize(x), rng), middle = x;
    double along = 0, squares = 0, value[2];
    for (std::size_t i = 0; i < x.size(); ++i) {
      along += double{gradient[i]} * double{direction[i]};
      squares += double{gradient[i]} * double{gradient[i]};
    }
    constexpr float kStep = 5e-3f;
    for (int side = 0; side < 2; ++side) {
      for (std::size_t i = 0; i < x.size(); ++i)
        x[i] = middle[i] + (side == 0 ? kStep : -kStep) * direction[i];
      value[side] = run();
    }
    x = middle;
    EXPECT_NEAR(along, (value[0] - value[1]) / (2 * double{kStep}), 2e-3 * std::sqrt(squares));
  }

  AttentionShape shape_;
  std::vector<PastLane> past_;
  std::vector<Index> positions_;
  std::vector<float> queries_, keys_, values_, dout_, out_, log_sums_;
  ThreadPool pool_{2};
};

TEST_P(AttendRows, IsTheSoftmaxOfWhatARowSees) {
  for (const Index row : {0, 3, 63, 64, 69})
    for (Index head = 0; head < kHeads; ++head) {
      const Index kv = head / 2, low = GetParam() > 0 ? kPast + row - GetParam() : -1;
      std::vector<double> out(kDepth);
      double total = 0;
      const auto see = [&](const float* key, const float* value, float weight, Index position) {
        if (position <= low) return;
        double logit = double{weight};
        for (Index d = 0; d < kDepth; ++d)
          logit += 0.4 * double{queries_[(row * kHeads + head) * kDepth + d]} * double{key[d]};
        total += std::exp(logit);
        for (Index d = 0; d < kDepth; ++d) out[d] += std::exp(logit) * double{value[d]};
      };
      const PastLane& past = past_[kv];
      for (Index j = 0; j < kPast; ++j)
        see(&past.keys[j * kDepth], &past.values[j * kDepth], past.log_weights[j], j);
      for (Index r = 0; r <= row; ++r)
        see(&keys_[(r * kKvHeads + kv) * kDepth], &values_[(r * kKvHeads + kv) * kDepth], 0,
            kPast + r);
      const Index item = row * kHeads + head;
      EXPECT_NEAR(log_sums_[item], std::log(total), 1e-5);
      for (Index d = 0; d < kDepth; ++d)
        EXPECT_NEAR(out_[item * kDepth + d], out[d] / total, 1e-5) << row << " " << head;
    }
}

TEST_P(AttendRows, GradientsAgreeWithDifferences) {
  std::vector<float> dqueries(queries_.size()), dkeys(keys_.size()), dvalues(values_.size());
  std::vector<LaneGradient> dpast(
      kKvHeads, {std::vector<float>(kPast * kDepth), std::vector<float>(kPast * kDepth)});
  attend_rows_backward(shape_, rows(), out_, log_sums_, dout_, {dqueries, dkeys, dvalues, dpast},
                       pool_);
  check(queries_, dqueries);
  check(keys_, dkeys);
  check(values_, dvalues);
  for (Index h = 0; h < kKvHeads; ++h) {
    check(past_[h].keys, dpast[h].keys);
    check(past_[h].values, dpast[h].values);
  }
}

TEST_P(AttendRows, NobodyPaysForThePastUnasked) {
  std::vector<float> asked[3], unasked[3];
  for (auto* gradients : {asked, unasked}) {
    gradients[0].resize(queries_.size());
    gradients[1].resize(keys_.size());
    gradients[2].resize(values_.size());
  }
  std::vector<LaneGradient> dpast(
      kKvHeads, {std::vector<float>(kPast * kDepth), std::vector<float>(kPast * kDepth)});
  attend_rows_backward(shape_, rows(), out_, log_sums_, dout_,
                       {asked[0], asked[1], asked[2], dpast}, pool_);
  attend_rows_backward(shape_, rows(), out_, log_sums_, dout_,
                       {unasked[0], unasked[1], unasked[2], {}}, pool_);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(asked[i], unasked[i]);
}

TEST_P(AttendRows, ThreadsDoNotMatter) {
  const auto two = out_;
  ThreadPool one(1);
  attend_rows(shape_, rows(), out_, log_sums_, one);
  EXPECT_EQ(out_, two);
}

INSTANTIATE_TEST_SUITE_P(Windows, AttendRows, ::testing::Values(0, 6, 66));

}  // namespace
}  // namespace pith
