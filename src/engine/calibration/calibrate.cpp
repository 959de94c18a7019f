#include "engine/calibration/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "engine/reading.h"
#include "engine/signals/observer.h"
#include "engine/signals/replay.h"
#include "recipe/leverage.h"

namespace pith {
namespace {

constexpr float kLeastScore = 1e-9f;  // below it a score says no more than "never"

float log_score(float score) { return std::log(std::max(score, kLeastScore)); }

// X X' of rows [n, k], added to `sum` [n, n].
void add_gram(std::span<const float> rows, Index n, Index k, Engine& engine,
              std::vector<float>& sum) {
  std::vector<float> product(static_cast<std::size_t>(n * n));
  Activations activations;
  activations.prepare(rows, n, k, Numerics::exact, engine.pool());
  const Product job{
      {WeightType::f32, n, k, std::as_bytes(rows).data()}, nullptr, product.data(), n};
  multiply(activations, std::span(&job, 1), engine.pool());
  for (std::size_t i = 0; i < product.size(); ++i) sum[i] += product[i];
}

}  // namespace

struct Calibrator::Layer {
  std::vector<float> query_gram;  // [Hkv][D, D], of rotated queries
  std::vector<double> query_sum;  // [Hkv, D]
  std::vector<float> hidden;      // [E + 1, T] of the document at hand, last row 1
  std::vector<float> gram;        // [E + 1, E + 1]
  std::vector<double> target;     // [E + 1, Hkv]: hidden times log score
};

namespace {

// Keeps the hidden states of a document and sums the products of its queries.
template <typename Layers>
class Watcher final : public ReadObserver {
 public:
  Watcher(Engine& engine, Index prefix, Index tokens, Layers& layers)
      : engine_(engine), prefix_(prefix), tokens_(tokens), layers_(layers) {}
  bool wants_unrotated() const override { return true; }
  void begin_chunk(Index first, Index rows) override {
    first_ = first;
    rows_ = rows;
  }
  // Columns are the document's tokens, so that a component's values lie together.
  void unrotated(Index layer, std::span<const float> hidden,
                 std::span<const float> /*queries*/) override {
    const Index E = engine_.config().width, n = tokens_ - prefix_;
    auto& to = layers_[static_cast<std::size_t>(layer)].hidden;
    to.resize(static_cast<std::size_t>((E + 1) * n));
    for (Index r = 0; r < rows_; ++r) {
      const Index t = first_ + r - prefix_;
      if (t < 0) continue;
      for (Index e = 0; e < E; ++e)
        to[static_cast<std::size_t>(e * n + t)] = hidden[static_cast<std::size_t>(r * E + e)];
      to[static_cast<std::size_t>(E * n + t)] = 1;
    }
  }
  void rotated(Index layer, std::span<const float> queries) override {
    const auto& config = engine_.config();
    const Index D = config.head_dim, group = config.group(), skip = std::max<Index>(0, 4 - first_);
    if (skip >= rows_) return;
    auto& own = layers_[static_cast<std::size_t>(layer)];
    const Index n = (rows_ - skip) * group;
    std::vector<float> columns(static_cast<std::size_t>(D * n)),
        gram(static_cast<std::size_t>(D * D));
    for (Index h = 0; h < config.kv_heads; ++h) {
      for (Index r = skip; r < rows_; ++r)
        for (Index g = 0; g < group; ++g) {
          const float* q = queries.data() + (r * config.query_heads + h * group + g) * D;
          for (Index i = 0; i < D; ++i) {
            columns[static_cast<std::size_t>(i * n + (r - skip) * group + g)] = q[i];
            own.query_sum[static_cast<std::size_t>(h * D + i)] += static_cast<double>(q[i]);
          }
        }
      std::fill(gram.begin(), gram.end(), 0.0f);
      add_gram(columns, D, n, engine_, gram);
      for (Index i = 0; i < D * D; ++i)
        own.query_gram[static_cast<std::size_t>(h * D * D + i)] +=
            gram[static_cast<std::size_t>(i)];
    }
  }

 private:
  Engine& engine_;
  Index prefix_, tokens_, first_ = 0, rows_ = 0;
  Layers& layers_;
};

// The eigenvector of the largest eigenvalue of a symmetric matrix [D, D], by repeated products,
// begun at `start`.
std::vector<double> main_direction(std::span<const float> matrix, std::span<const double> start) {
  const std::size_t D = start.size();
  std::vector<double> x(start.begin(), start.end()), next(D);
  for (int step = 0; step < 500; ++step) {
    double norm = 0;
    for (std::size_t i = 0; i < D; ++i) {
      next[i] = 0;
      for (std::size_t j = 0; j < D; ++j) next[i] += static_cast<double>(matrix[i * D + j]) * x[j];
      norm += next[i] * next[i];
    }
    if (!(norm > 0)) break;
    for (std::size_t i = 0; i < D; ++i) x[i] = next[i] / std::sqrt(norm);
  }
  double along = 0;  // queries point along it, not against it
  for (std::size_t i = 0; i < D; ++i) along += x[i] * start[i];
  if (along < 0)
    for (double& value : x) value = -value;
  return x;
}

// Weights w of y ~ w . x from the sums X X' and X Y; the constant (last) is not shrunk.
std::vector<float> solve_ridge(std::span<const float> gram, std::span<const double> target,
                               Index size, Index outputs, double ridge) {
  std::vector<double> matrix(gram.begin(), gram.end());
  double trace = 0;
  for (Index i = 0; i + 1 < size; ++i) trace += matrix[static_cast<std::size_t>(i * size + i)];
  const double shrink = ridge * trace / static_cast<double>(size - 1);
  for (Index i = 0; i + 1 < size; ++i) matrix[static_cast<std::size_t>(i * size + i)] += shrink;
  recipe::cholesky(matrix, size);
  const auto at = [&](Index i, Index j) { return matrix[static_cast<std::size_t>(i * size + j)]; };
  std::vector<float> out(static_cast<std::size_t>(outputs * size));
  for (Index o = 0; o < outputs; ++o) {
    std::vector<double> x(static_cast<std::size_t>(size));
    for (Index i = 0; i < size; ++i) {
      double sum = target[static_cast<std::size_t>(i * outputs + o)];
      for (Index j = 0; j < i; ++j) sum -= at(i, j) * x[static_cast<std::size_t>(j)];
      x[static_cast<std::size_t>(i)] = sum / at(i, i);
    }
    for (Index i = size - 1; i >= 0; --i) {
      double sum = x[static_cast<std::size_t>(i)];
      for (Index j = i + 1; j < size; ++j) sum -= at(j, i) * x[static_cast<std::size_t>(j)];
      x[static_cast<std::size_t>(i)] = sum / at(i, i);
    }
    for (Index i = 0; i < size; ++i)
      out[static_cast<std::size_t>(o * size + i)] =
          static_cast<float>(x[static_cast<std::size_t>(i)]);
  }
  return out;
}

double correlation(std::span<const double> x, std::span<const double> y) {
  const double n = static_cast<double>(x.size());
  double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    mx += x[i] / n;
    my += y[i] / n;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
    xy += (x[i] - mx) * (y[i] - my);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

}  // namespace

Calibrator::Calibrator(std::shared_ptr<Engine> engine)
    : engine_(std::move(engine)),
      layers_(static_cast<std::size_t>(engine_->config().layer_count())) {
  const auto& config = engine_->config();
  const auto D = static_cast<std::size_t>(config.head_dim),
             heads = static_cast<std::size_t>(config.kv_heads),
             size = static_cast<std::size_t>(config.width + 1);
  for (Layer& layer : layers_) {
    layer.query_gram.resize(heads * D * D);
    layer.query_sum.resize(heads * D);
    layer.gram.resize(size * size);
    layer.target.resize(size * heads);
  }
}

Calibrator::~Calibrator() = default;

void Calibrator::add(const DocumentPrompt& document) {
  const auto& config = engine_->config();
  const Index total = std::ssize(document.context()), prefix = document.prefix_tokens(),
              n = total - prefix, size = config.width + 1;
  Context context(engine_);
  Watcher watcher(*engine_, prefix, total, layers_);
  context.read(document.context(), &watcher);
  recipe::Signals signals;
  signals.tokens = total;
  signals.layers.resize(layers_.size());
  const ReadOptions options = document.read_options();
  replay(context,
         {.prefix_tokens = prefix,
          .plain = false,
          .answer_prompt = options.answer_prompt,
          .progress = {}},
         signals);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer& layer = layers_[l];
    if (context.cache().shape().window(static_cast<Index>(l)) > 0) continue;
    add_gram(layer.hidden, size, n, *engine_, layer.gram);
    for (Index h = 0; h < config.kv_heads; ++h) {
      std::vector<float> y;
      for (Index t = 0; t < n; ++t)
        y.push_back(log_score(
            signals.layers[l].replay_plus[static_cast<std::size_t>(h * total + prefix + t)]));
      for (Index i = 0; i < size; ++i) {
        double sum = 0;
        for (Index t = 0; t < n; ++t)
          sum += static_cast<double>(layer.hidden[static_cast<std::size_t>(i * n + t)] *
                                     y[static_cast<std::size_t>(t)]);
        layer.target[static_cast<std::size_t>(i * config.kv_heads + h)] += sum;
      }
    }
  }
  tokens_ += n;
}

Calibration Calibrator::finish(double ridge) {
  const auto& config = engine_->config();
  const Index D = config.head_dim, heads = config.kv_heads, size = config.width + 1;
  Calibration out;
  out.model_name = config.name;
  out.model_hash = engine_->model().hash();
  out.note = fmt::format("{} tokens, ridge {}", tokens_, ridge);
  std::vector<CalibratedArray> filters(layers_.size()), weights(layers_.size());
  engine_->pool().run(std::ssize(layers_), [&](Index l, int) {
    const Layer& layer = layers_[static_cast<std::size_t>(l)];
    CalibratedArray& filter = filters[static_cast<std::size_t>(l)];
    filter.shape = {heads, D};
    for (Index h = 0; h < heads; ++h) {
      const auto x = main_direction(
          std::span(layer.query_gram)
              .subspan(static_cast<std::size_t>(h * D * D), static_cast<std::size_t>(D * D)),
          std::span(layer.query_sum)
              .subspan(static_cast<std::size_t>(h * D), static_cast<std::size_t>(D)));
      filter.data.insert(filter.data.end(), x.begin(), x.end());
    }
    if (engine_->cache_shape().window(l) > 0) return;
    weights[static_cast<std::size_t>(l)] = {
        {heads, size}, solve_ridge(layer.gram, layer.target, size, heads, ridge)};
  });
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    out.arrays.emplace(fmt::format("qfilters.{}", l), std::move(filters[l]));
    for (float w : weights[l].data)
      if (!std::isfinite(w))
        fail(ErrorCode::bad_input,
             fmt::format("layer {}: {} tokens do not determine the regression with ridge {}; give "
                         "more documents or a larger ridge",
                         l, tokens_, ridge));
    if (!weights[l].data.empty())
      out.arrays.emplace(fmt::format("kvzap.{}", l), std::move(weights[l]));
  }
  return out;
}

KvzapQuality measure_kvzap(const std::shared_ptr<Engine>& engine, const DocumentPrompt& document) {
  Context context(engine);
  recipe::SignalNeeds needs;
  needs.kvzap = needs.replay_plus = true;
  const auto signals = read_document(context, document.context(), needs, document.read_options());
  KvzapQuality quality;
  std::vector<double> all_x, all_y;
  Index layers = 0;
  for (const auto& layer : signals.layers) {
    if (layer.kvzap.empty()) continue;
    std::vector<double> x, y;
    for (std::size_t i = 0; i < layer.kvzap.size(); ++i) {
      if (static_cast<Index>(i) % signals.tokens < signals.prefix_tokens) continue;
      x.push_back(static_cast<double>(layer.kvzap[i]));
      y.push_back(static_cast<double>(log_score(layer.replay_plus[i])));
    }
    quality.within_layers += correlation(x, y);
    ++layers;
    all_x.insert(all_x.end(), x.begin(), x.end());
    all_y.insert(all_y.end(), y.begin(), y.end());
  }
  quality.within_layers /= static_cast<double>(std::max<Index>(layers, 1));
  quality.overall = correlation(all_x, all_y);
  return quality;
}

}  // namespace pith
