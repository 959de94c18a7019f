#include "model/gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <optional>

#include "base/rng.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

struct Case {
  std::string name;
  test::TinyModelOptions options;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma3"}) {
    test::TinyModelOptions options;
    options.architecture = architecture;
    options.layers = 3;
    all.push_back({architecture, options});
  }
  all.back().options.sliding_window = 5;
  all.back().options.sliding_pattern = 2;
  test::TinyModelOptions yarn;
  yarn.rope = test::TinyRope::yarn;
  yarn.layers = 3;
  all.push_back({"yarn", yarn});
  test::TinyModelOptions packed;
  packed.layers = 3;
  packed.weights = WeightType::q8_0;
  all.push_back({"q8_0", packed});
  return all;
}

class Gradient : public ::testing::TestWithParam<Case> {
 protected:
  static constexpr Index kRows = 7, kPast = 4;

  void SetUp() override {
    bytes_ = test::tiny_model(GetParam().options);
    model_.emplace(Model::from(gguf::File::parse(bytes_, "tiny")));
    const auto& config = model_->config();
    Rng rng(3);
    for (Index lane = 0; lane < config.layer_count() * config.kv_heads; ++lane) {
      PastLane past;
      past.keys = normal(kPast * config.head_dim, rng);
      past.values = normal(kPast * config.head_dim, rng);
      past.log_weights = {0, 0.5f, 0, 0};
      past.positions = {0, 1, 2, 3};
      past_.push_back(past);
    }
    embeddings_ = normal(kRows * config.width, rng);
    for (Index r = 0; r < kRows; ++r) positions_.push_back(kPast + r);
  }

  static std::vector<float> normal(Index n, Rng& rng) {
    std::vector<float> x(static_cast<std::size_t>(n));
    for (float& value : x) value = static_cast<float>(rng.normal());
    return x;
  }

  // Compares the gradient of `loss` with central differences along random directions. A slope along
  // a random direction is of the size of the gradient's norm; that is what errors are held against.
  void check(GradientPass& pass, const std::function<double()>& loss,
             std::span<const float> gradient) {
    const std::vector<float> middle = embeddings_;
    check_along(gradient, [&](std::span<const float> offset) {
      auto moved = middle;
      for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += offset[i];
      pass.forward(moved, positions_);
      return loss();
    });
  }

  // `at` runs the pass with what was moved by an offset and returns the loss.
  static void check_along(std::span<const float> gradient,
                          const std::function<double(std::span<const float>)>& at) {
    const std::vector<float> analytic(gradient.begin(), gradient.end());
    double squares = 0;
    for (float g : analytic) squares += double{g} * g;
    Rng rng(5);
    for (int trial = 0; trial < 4; ++trial) {
      const auto direction = normal(std::ssize(analytic), rng);
      double along = 0;
      for (std::size_t i = 0; i < analytic.size(); ++i) along += double{analytic[i]} * direction[i];
      constexpr float kStep = 2e-3f;
      double value[2];
      for (int side = 0; side < 2; ++side) {
        auto offset = direction;
        for (float& x : offset) x *= side == 0 ? kStep : -kStep;
        value[side] = at(offset);
      }
      const double numeric = (value[0] - value[1]) / (2 * double{kStep});
      EXPECT_NEAR(along, numeric, 2e-3 * std::sqrt(squares));
    }
  }

  std::vector<std::byte> bytes_;
  std::optional<Model> model_;
  PastLanes past_;
  std::vector<float> embeddings_;
  std::vector<Index> positions_;
  ThreadPool pool_{2};
};

// A loss that is linear in all keys and values: its gradient there is the coefficients.
TEST_P(Gradient, OfKeysAndValuesAgreesWithDifferences) {
  GradientPass pass(*model_, past_, 3, false, Numerics::exact, pool_);
  Rng rng(4);
  RowEntries coefficients;
  const Index size = kRows * model_->config().kv_heads * model_->config().head_dim;
  for (int l = 0; l < 3; ++l) {
    coefficients.keys.push_back(normal(size, rng));
    coefficients.values.push_back(normal(size, rng));
  }
  const auto loss = [&] {
    double sum = 0;
    for (std::size_t l = 0; l < 3; ++l)
      for (std::size_t i = 0; i < coefficients.keys[l].size(); ++i)
        sum += double{coefficients.keys[l][i]} * pass.entries().keys[l][i] +
               double{coefficients.values[l][i]} * pass.entries().values[l][i];
    return sum;
  };
  pass.forward(embeddings_, positions_);
  check(pass, loss, pass.backward(coefficients, {}));
}

TEST_P(Gradient, OfHiddenStatesAgreesWithDifferences) {
  GradientPass pass(*model_, past_, 3, true, Numerics::exact, pool_);
  Rng rng(6);
  const auto coefficients = normal(kRows * model_->config().width, rng);
  const auto loss = [&] {
    double sum = 0;
    for (std::size_t i = 0; i < coefficients.size(); ++i)
      sum += double{coefficients[i]} * pass.hidden()[i];
    return sum;
  };
  pass.forward(embeddings_, positions_);
  check(pass, loss, pass.backward({}, coefficients));
}

// All past keys, then all past values, as one vector.
std::vector<float> flat(const PastGradients& lanes) {
  std::vector<float> out;
  for (const auto& lane : lanes) out.insert(out.end(), lane.keys.begin(), lane.keys.end());
  for (const auto& lane : lanes) out.insert(out.end(), lane.values.begin(), lane.values.end());
  return out;
}
void move_by(std::span<const float> offset, PastLanes& lanes) {
  auto next = offset.begin();
  for (auto& lane : lanes)
    for (float& x : lane.keys) x += *next++;
  for (auto& lane : lanes)
    for (float& x : lane.values) x += *next++;
}

TEST_P(Gradient, OfPastEntriesAgreesWithDifferences) {
  PastLanes past = past_;
  GradientPass pass(*model_, past, 3, true, Numerics::exact, pool_);
  Rng rng(8);
  const auto coefficients = normal(kRows * model_->config().width, rng);
  pass.forward(embeddings_, positions_);
  PastGradients gradients;
  pass.backward({}, coefficients, {.past = &gradients});
  check_along(flat(gradients), [&](std::span<const float> offset) {
    past = past_;
    move_by(offset, past);
    pass.forward(embeddings_, positions_);
    double sum = 0;
    for (std::size_t i = 0; i < coefficients.size(); ++i)
      sum += double{coefficients[i]} * pass.hidden()[i];
    return sum;
  });
}

// The loss is half the squared length of the residual stream behind the last layer.
TEST_P(Gradient, OfTheLastResidualStreamAgreesWithDifferences) {
  GradientPass pass(*model_, past_, 3, true, Numerics::exact, pool_);
  const auto loss = [&] {
    double sum = 0;
    for (float x : pass.stream()) sum += 0.5 * double{x} * double{x};
    return sum;
  };
  pass.forward(embeddings_, positions_);
  const std::vector<float> stream(pass.stream().begin(), pass.stream().end());
  std::vector<Index> layers;
  const auto gradient =
      pass.backward({}, {}, {.stream = stream, .on_middle = [&](Index l, auto dx) {
                               layers.push_back(l);
                               EXPECT_EQ(dx.size(), stream.size());
                             }});
  EXPECT_EQ(layers, (std::vector<Index>{2, 1, 0}));
  check(pass, loss, gradient);
}

// Nothing behind the values of layer 0 can matter to them: their gradient is two products.
TEST_P(Gradient, StopsAtTheLastLayerOfTheLoss) {
  GradientPass pass(*model_, past_, 1, false, Numerics::exact, pool_);
  pass.forward(embeddings_, positions_);
  EXPECT_EQ(pass.entries().values.size(), 1u);
  EXPECT_TRUE(pass.hidden().empty());
  EXPECT_LT(pass.bytes_per_row(), 4 * 4 * model_->config().width);
}

INSTANTIATE_TEST_SUITE_P(Models, Gradient, ::testing::ValuesIn(cases()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace pith
