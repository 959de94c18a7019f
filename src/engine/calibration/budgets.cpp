#include "engine/calibration/budgets.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "base/error.h"
#include "engine/reading.h"
#include "engine/signals/observer.h"
#include "engine/signals/replay.h"
#include "recipe/recipe.h"

namespace pith {
namespace {

// Parts that are kept, in binary fractions so that printing and reading them is exact.
constexpr std::array<float, 14> kKept = {1 / 64.0f, 1 / 32.0f, 3 / 64.0f, 1 / 16.0f, 3 / 32.0f,
                                         1 / 8.0f,  3 / 16.0f, 1 / 4.0f,  5 / 16.0f, 3 / 8.0f,
                                         1 / 2.0f,  5 / 8.0f,  3 / 4.0f,  7 / 8.0f};

// exp(entropy) of every attention row, summed per lane. Threads see different rows, so their sums
// are kept apart and added in order.
class SpreadTap final : public ReadObserver, private cache::AttentionTap {
 public:
  SpreadTap(Engine& engine, Index tokens)
      : engine_(engine),
        tokens_(tokens),
        by_thread_(static_cast<std::size_t>(engine.pool().size())),
        sum_(static_cast<std::size_t>(engine.cache_shape().lanes())) {
    for (auto& own : by_thread_) own.resize(static_cast<std::size_t>(engine.config().kv_heads));
  }
  cache::AttentionTap* tap(Index /*layer*/) override { return this; }
  void end_layer(Index layer) override {
    const Index heads = engine_.config().kv_heads;
    for (auto& own : by_thread_)
      for (Index h = 0; h < heads; ++h) {
        double& part = own[static_cast<std::size_t>(h)];
        sum_[static_cast<std::size_t>(layer * heads + h)] += part;
        part = 0;
      }
  }
  // [lanes] means over queries and the group's heads.
  std::vector<double> finish() const {
    std::vector<double> out;
    const double rows = static_cast<double>(tokens_ * engine_.config().group());
    for (double sum : sum_) out.push_back(sum / rows);
    return out;
  }

 private:
  void observe(const cache::WeightBlock& block) override {
    double& sum =
        by_thread_[static_cast<std::size_t>(block.thread)][static_cast<std::size_t>(block.kv_head)];
    for (Index r = 0; r < block.queries * block.group; ++r) {
      const float* weights = block.weights + r * block.stride;
      double entropy = 0;
      for (Index j = 0; j < block.entries; ++j)
        if (weights[j] > 1e-9f)
          entropy -= static_cast<double>(weights[j]) * static_cast<double>(std::log(weights[j]));
      sum += std::exp(entropy);
    }
  }

  Engine& engine_;
  Index tokens_;
  std::vector<std::vector<double>> by_thread_;  // [threads][Hkv], of the layer at hand
  std::vector<double> sum_;                     // [lanes]
};

}  // namespace

BudgetMeter::BudgetMeter(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {
  const auto lanes = static_cast<std::size_t>(engine_->cache_shape().lanes());
  shares_.resize(kKept.size() * lanes);
  spread_.resize(lanes);
}

void BudgetMeter::add(const DocumentPrompt& document) {
  const Index tokens = std::ssize(document.context());
  Context context(engine_);
  SpreadTap tap(*engine_, tokens);
  context.read(document.context(), &tap);
  recipe::Signals signals;
  signals.tokens = signals.next_position = tokens;
  signals.query_heads = engine_->config().query_heads;
  signals.attention_scale = engine_->config().attention_scale;
  signals.prefix_tokens = document.prefix_tokens();
  signals.layers.resize(static_cast<std::size_t>(engine_->config().layer_count()));
  const ReadOptions options = document.read_options();
  replay(context,
         {.prefix_tokens = options.prefix_tokens,
          .answer_prompt = options.answer_prompt,
          .progress = {}},
         signals);
  const auto spread = tap.finish();
  for (std::size_t lane = 0; lane < spread.size(); ++lane) spread_[lane] += spread[lane];
  for (std::size_t g = 0; g < kKept.size(); ++g) {
    const auto recipe =
        recipe::Recipe::parse(fmt::format("kvzip_plus + global @ {}", 1 - kKept[g]));
    const auto plan = recipe.plan(0, context.cache(), signals, &engine_->pool());
    for (std::size_t lane = 0; lane < spread.size(); ++lane)
      shares_[g * spread.size() + lane] +=
          static_cast<double>(plan.lanes[lane].keep.size()) / static_cast<double>(tokens);
  }
  ++documents_;
}

void BudgetMeter::write(Calibration& to) const {
  const Index lanes = std::ssize(spread_), points = std::ssize(kKept);
  const auto mean = [&](const std::vector<double>& sums) {
    std::vector<float> out;
    for (double sum : sums)
      out.push_back(static_cast<float>(sum / static_cast<double>(documents_)));
    return out;
  };
  to.arrays["curves.kept"] = {{points}, {kKept.begin(), kKept.end()}};
  to.arrays["curves.shares"] = {{points, lanes}, mean(shares_)};
  to.arrays["diffuseness"] = {{lanes}, mean(spread_)};
}

namespace {

// Numbers that a plan may share a budget by.
void check_budgets(const recipe::Signals& budgets, const Engine& engine) {
  const auto refuse = [&](const char* what) {
    fail(ErrorCode::bad_file,
         fmt::format("the calibration at {}: {}; make it again: pith calibrate -m {}",
                     engine.options().calibration.string(), what, model_argument(engine)));
  };
  const auto& [kept, shares] = budgets.budget_curves;
  for (std::size_t g = 0; g < kept.size(); ++g)
    if (kept[g] <= (g > 0 ? kept[g - 1] : 0) || kept[g] >= 1)
      refuse("curves.kept does not ascend between 0 and 1");
  for (const float share : shares)
    if (share < 0 || share > 1) refuse("curves.shares has a number outside of [0, 1]");
  for (const float spread : budgets.diffuseness)
    if (spread < 0) refuse("diffuseness has a number below 0");
}

}  // namespace

void look_up_budgets(const Engine& engine, const recipe::SignalNeeds& needs,
                     recipe::Signals& signals) {
  if (!needs.budget_curves && !needs.diffuseness) return;
  const Calibration calibration = Calibration::of(engine);
  const Index lanes = engine.cache_shape().lanes(), points = std::ssize(kKept);
  const std::array<Index, 1> one = {points}, each = {lanes};
  const std::array<Index, 2> both = {points, lanes};
  if (needs.budget_curves)
    signals.budget_curves = {calibration.at("curves.kept", one).data,
                             calibration.at("curves.shares", both).data};
  if (needs.diffuseness) signals.diffuseness = calibration.at("diffuseness", each).data;
  check_budgets(signals, engine);
}

}  // namespace pith
