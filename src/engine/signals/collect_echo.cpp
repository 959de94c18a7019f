#include "engine/signals/collect_echo.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/vector.h"

namespace pith {
namespace {

constexpr Index kSinks = 4;          // first tokens that every chunk sees, as in the replay
constexpr Index kPromptTokens = 16;  // about as many stand between context and copy
constexpr Index kBlock = 16;         // rows at a time: their logits stay in the second-level cache
constexpr float kHidden = -std::numeric_limits<float>::infinity();

}  // namespace

EchoCollector::EchoCollector(Engine& engine, Index chunk, Index prefix_tokens, Index tokens)
    : engine_(engine),
      chunk_(chunk),
      tokens_(tokens),
      rows_(engine.config().layer_count(), engine.config().query_heads, engine.config().kv_heads,
            engine.config().head_dim, chunk, prefix_tokens, tokens),
      layers_(static_cast<std::size_t>(engine.config().layer_count())) {
  const auto& config = engine.config();
  for (Layer& layer : layers_) {
    layer.row_scale.resize(static_cast<std::size_t>(tokens));
    layer.sinks.resize(static_cast<std::size_t>(config.kv_heads * kSinks * config.head_dim));
    layer.plain.resize(static_cast<std::size_t>(config.query_heads * tokens));
    layer.scaled.resize(layer.plain.size());
  }
}

void EchoCollector::hidden(Index layer, Index first_token, std::span<const float> hidden) {
  const Index E = engine_.config().width;
  for (Index r = 0; r < std::ssize(hidden) / E; ++r) {
    const float* row = hidden.data() + r * E;
    layers_[static_cast<std::size_t>(layer)].row_scale[static_cast<std::size_t>(first_token + r)] =
        1 / std::sqrt(std::max(vector_kernels().dot(row, row, E), 1e-20f));
  }
}

void EchoCollector::rotated(Index layer, Index first_token, Index rows,
                            std::span<const float> queries, std::span<const float> keys) {
  const auto& config = engine_.config();
  const Index D = config.head_dim;
  Layer& own = layers_[static_cast<std::size_t>(layer)];
  for (Index t = first_token; t < std::min(first_token + rows, kSinks); ++t)
    for (Index h = 0; h < config.kv_heads; ++h)
      std::copy_n(keys.data() + ((t - first_token) * config.kv_heads + h) * D, D,
                  own.sinks.data() + (h * kSinks + t) * D);
  rows_.add(layer, first_token, rows, queries, keys, [&](const ChunkRows::Chunk& chunk) {
    const auto& frequencies = engine_.model().rope(layer).inverse;
    const auto delta = static_cast<double>(tokens_ + kPromptTokens - chunk.begin);
    std::vector<float> cosine, sine;
    for (const double w : frequencies) {
      cosine.push_back(static_cast<float>(std::cos(delta * w)));
      sine.push_back(static_cast<float>(std::sin(delta * w)));
    }
    std::vector<Seen> seen;
    for (Index h = 0; h < config.kv_heads; ++h) seen.push_back(pack(h, chunk, own));
    engine_.pool().run(config.query_heads, [&](Index head, int) {
      look(head, chunk, seen[static_cast<std::size_t>(head / config.group())], cosine, sine, own);
    });
  });
}

EchoCollector::Seen EchoCollector::pack(Index kv_head, const ChunkRows::Chunk& chunk,
                                        const Layer& layer) const {
  const Index D = engine_.config().head_dim, sinks = std::min(kSinks, chunk.begin);
  const auto keys = chunk.key(kv_head, chunk_, D);
  std::vector<float> all(keys.begin(), keys.end());
  const auto first = layer.sinks.begin() + kv_head * kSinks * D;
  all.insert(all.end(), first, first + sinks * D);
  return {{all, chunk.size + sinks, D}, {keys, chunk.size, D}};
}

void EchoCollector::look(Index head, const ChunkRows::Chunk& chunk, const Seen& seen,
                         std::span<const float> cosine, std::span<const float> sine,
                         Layer& layer) const {
  const Index D = engine_.config().head_dim, half = std::ssize(cosine), n = chunk.size;
  const Index sinks = std::min(kSinks, chunk.begin);
  const float scale = engine_.config().attention_scale;
  const auto queries = chunk.query(head, chunk_, D);
  const recipe::Panels &original = seen.original, &past = seen.past;
  const Index offset = original.count * recipe::kPanel;
  const Index stride = offset + past.count * recipe::kPanel;
  const auto& kernels = recipe::row_kernels();

  std::vector<float> moved(static_cast<std::size_t>(kBlock * D)), own(moved.size()),
      logits(static_cast<std::size_t>(kBlock * stride)), unused(static_cast<std::size_t>(stride));
  float* const plain = layer.plain.data() + head * tokens_ + chunk.begin;
  float* const scaled = layer.scaled.data() + head * tokens_ + chunk.begin;
  for (Index start = 0; start < n; start += kBlock) {
    const Index rows = std::min(kBlock, n - start);
    for (Index r = 0; r < rows; ++r) {
      const float* q = queries.data() + (start + r) * D;
      for (Index i = 0; i < D; ++i) own[static_cast<std::size_t>(r * D + i)] = q[i] * scale;
      for (Index i = 0; i < half; ++i) {
        const auto c = cosine[static_cast<std::size_t>(i)], s = sine[static_cast<std::size_t>(i)];
        moved[static_cast<std::size_t>(r * D + i)] = (q[i] * c - q[i + half] * s) * scale;
        moved[static_cast<std::size_t>(r * D + i + half)] = (q[i + half] * c + q[i] * s) * scale;
      }
    }
    const Index panels = ceil_div(start + rows, recipe::kPanel);  // of the past that rows can see
    kernels.multiply(moved.data(), rows, original.data.data(), original.count, D, logits.data(),
                     stride);
    kernels.multiply(own.data(), rows, past.data.data(), panels, D, logits.data() + offset, stride);
    const Index width = offset + panels * recipe::kPanel;
    for (Index r = 0; r < rows; ++r) {
      float* line = logits.data() + r * stride;
      std::fill(line + n + sinks, line + offset, kHidden);
      std::fill(line + offset + start + r + 1, line + width, kHidden);
      kernels.softmax_add(line, width, unused.data());
      const float row_scale = layer.row_scale[static_cast<std::size_t>(chunk.begin + start + r)];
      for (Index j = 0; j < n; ++j) {
        plain[j] = line[j] > plain[j] ? line[j] : plain[j];
        const float weighted = line[j] * row_scale;
        scaled[j] = weighted > scaled[j] ? weighted : scaled[j];
      }
    }
  }
}

void EchoCollector::finish(const Context& context, recipe::Signals& signals) {
  const auto& config = engine_.config();
  const Index D = config.head_dim, group = config.group();
  for (Index l = 0; l < config.layer_count(); ++l) {
    const Layer& own = layers_[static_cast<std::size_t>(l)];
    auto& out = signals.layers[static_cast<std::size_t>(l)];
    out.echo.assign(static_cast<std::size_t>(config.kv_heads * tokens_), 0.0f);
    out.echo_plus = out.echo;
    if (context.cache().shape().window(l) > 0) continue;  // its lanes no longer hold all tokens
    for (Index h = 0; h < config.kv_heads; ++h) {
      std::vector<float> values(static_cast<std::size_t>(tokens_ * D)),
          norms(static_cast<std::size_t>(group * tokens_));
      context.cache().read_values(context.cache().shape().lane(l, h), values);
      engine_.projected_value_norms(l, h, values, norms);
      for (Index g = 0; g < group; ++g)
        for (Index t = 0; t < tokens_; ++t) {
          const auto from = static_cast<std::size_t>((h * group + g) * tokens_ + t);
          const auto to = static_cast<std::size_t>(h * tokens_ + t);
          out.echo[to] = std::max(out.echo[to], own.plain[from]);
          out.echo_plus[to] =
              std::max(out.echo_plus[to],
                       own.scaled[from] * norms[static_cast<std::size_t>(g * tokens_ + t)]);
        }
    }
  }
}

}  // namespace pith
