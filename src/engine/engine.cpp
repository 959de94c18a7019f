#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/vector.h"

namespace pith {

Engine::Engine(std::shared_ptr<const Loaded> loaded, const EngineOptions& options)
    : loaded_(std::move(loaded)),
      options_(options),
      pool_(options.threads),
      output_grams_(static_cast<std::size_t>(config().layer_count())) {
  if (options.ignore_batch_size) workspace_.ignore_batch_size();
}

std::shared_ptr<Engine> Engine::load(const std::filesystem::path& path,
                                     const EngineOptions& options) {
  EngineOptions filled = options;
  if (filled.calibration.empty()) filled.calibration = path.string() + ".calibration";
  return from(gguf::File::open(path), filled);
}

std::shared_ptr<Engine> Engine::from(gguf::File file, const EngineOptions& options) {
  Tokenizer tokenizer = Tokenizer::from_gguf(file);
  std::optional<ChatTemplate> chat_template;
  if (const auto source = file.get_string("tokenizer.chat_template", ""); !source.empty())
    chat_template = ChatTemplate::parse(source);
  Model model = Model::from(std::move(file));
  if (tokenizer.vocabulary_size() > model.config().vocabulary)
    fail(ErrorCode::bad_model,
         fmt::format("{}: the tokenizer has {} tokens, token_embd.weight only {} rows; every token "
                     "needs one",
                     model.file().name(), tokenizer.vocabulary_size(), model.config().vocabulary));
  auto loaded = std::make_shared<const Loaded>(
      Loaded{std::move(model), std::move(tokenizer), std::move(chat_template)});
  return std::shared_ptr<Engine>(new Engine(std::move(loaded), options));
}

std::shared_ptr<Engine> Engine::sharing(const Engine& other, int threads) {
  EngineOptions options = other.options_;
  options.threads = threads;
  return std::shared_ptr<Engine>(new Engine(other.loaded_, options));
}

cache::Format Engine::cache_format() const {
  return options_.numerics == Numerics::exact ? cache::Format::f32 : cache::Format::bf16;
}

cache::Shape Engine::cache_shape() const {
  cache::Shape shape{.layers = config().layer_count(),
                     .kv_heads = config().kv_heads,
                     .head_dim = config().head_dim,
                     .windows = {}};
  for (const auto& layer : config().layers) shape.windows.push_back(layer.window);
  return shape;
}

cache::Rotation Engine::cache_rotation() const {
  cache::Rotation rotation;
  for (Index l = 0; l < config().layer_count(); ++l)
    rotation.inverse_frequencies.push_back(model().rope(l).inverse);
  return rotation;
}

// Wo_h^T Wo_h per query head: with it a projected norm costs D^2 instead of E * D.
const std::vector<float>& Engine::output_gram(Index layer) {
  auto& gram = output_grams_[static_cast<std::size_t>(layer)];
  if (!gram.empty()) return gram;
  const Index E = config().width, D = config().head_dim, heads = config().query_heads;
  const WeightMatrix& w = model().layer(layer).output;
  std::vector<float> columns(
      static_cast<std::size_t>(heads * D * E));  // [Hq * D, E]: Wo transposed
  pool_.run(E, [&](Index e, int) {
    std::vector<float> row(static_cast<std::size_t>(heads * D));
    dequantize(w, e, 0, heads * D, row);
    for (Index i = 0; i < heads * D; ++i)
      columns[static_cast<std::size_t>(i * E + e)] = row[static_cast<std::size_t>(i)];
  });
  gram.resize(static_cast<std::size_t>(heads * D * D));
  Activations activations;
  for (Index h = 0; h < heads; ++h) {
    const std::span<const float> head(columns.data() + h * D * E, static_cast<std::size_t>(D * E));
    const WeightMatrix as_weights{WeightType::f32, D, E, std::as_bytes(head).data()};
    activations.prepare(head, D, E, Numerics::exact, pool_);
    const Product product{as_weights, nullptr, gram.data() + h * D * D, D};
    multiply(activations, std::span(&product, 1), pool_);
  }
  return gram;
}

void Engine::projected_value_norms(Index layer, Index kv_head, std::span<const float> values,
                                   std::span<float> out) {
  const Index D = config().head_dim, group = config().group(),
              n = static_cast<Index>(values.size()) / D;
  const auto& gram = output_gram(layer);
  std::vector<float> projected(static_cast<std::size_t>(n * D));
  Activations activations;
  activations.prepare(values, n, D, Numerics::exact, pool_);
  for (Index g = 0; g < group; ++g) {
    const float* head = gram.data() + (kv_head * group + g) * D * D;
    const Product product{{WeightType::f32, D, D, reinterpret_cast<const std::byte*>(head)},
                          nullptr,
                          projected.data(),
                          D};
    multiply(activations, std::span(&product, 1), pool_);
    for (Index j = 0; j < n; ++j) {
      const float square = vector_kernels().dot(projected.data() + j * D, values.data() + j * D, D);
      out[static_cast<std::size_t>(g * n + j)] = std::sqrt(std::max(0.0f, square));
    }
  }
}

void Engine::projected_value_sums(Index layer, Index kv_head, std::span<const float> values,
                                  std::span<float> out) {
  constexpr Index kBlock = 64;  // values at a time: their projections are E wide
  const Index E = config().width, D = config().head_dim, group = config().group(),
              n = static_cast<Index>(values.size()) / D;
  const WeightMatrix& w = model().layer(layer).output;
  const Index begin = kv_head * group * D, block = info(w.type).block;
  const Index start = begin / block * block;  // the columns of the group lie within whole blocks
  const Index width = round_up(begin + group * D, block) - start;
  std::vector<float> heads(static_cast<std::size_t>(group * E * D)),  // [G, E, D]
      projected(static_cast<std::size_t>(kBlock * E));
  pool_.run(E, [&](Index e, int) {
    std::vector<float> row(static_cast<std::size_t>(width));
    dequantize(w, e, start, width, row);
    for (Index g = 0; g < group; ++g)
      std::copy_n(row.data() + begin - start + g * D, D, heads.data() + (g * E + e) * D);
  });
  Activations activations;
  std::fill(out.begin(), out.end(), 0.0f);
  for (Index first = 0; first < n; first += kBlock) {
    const Index count = std::min(kBlock, n - first);
    activations.prepare(
        values.subspan(static_cast<std::size_t>(first * D), static_cast<std::size_t>(count * D)),
        count, D, Numerics::exact, pool_);
    for (Index g = 0; g < group; ++g) {
      const float* head = heads.data() + g * E * D;
      const Product product{{WeightType::f32, E, D, reinterpret_cast<const std::byte*>(head)},
                            nullptr,
                            projected.data(),
                            E};
      multiply(activations, std::span(&product, 1), pool_);
      for (Index j = 0; j < count; ++j) {
        float sum = 0;
        for (Index e = 0; e < E; ++e)
          sum += std::abs(projected[static_cast<std::size_t>(j * E + e)]);
        out[static_cast<std::size_t>(first + j)] += sum / static_cast<float>(group);
      }
    }
  }
}

}  // namespace pith
