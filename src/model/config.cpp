#include "model/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <span>

#include "base/error.h"

namespace pith {
namespace {

// The architectures as data. This table is the only place where model families are told apart.
struct Architecture {
  const char* name;
  RopePairs rope_pairs;
  bool qkv_bias, qk_norm, post_norms, scale_embedding;
  Activation activation;
  Index full_attention_every;  // 0: every layer is full; n: the last of every n is full, the others
                               // have the file's window
  double window_rope_base;     // of layers with a window
  Index scaled_by_width;  // the model of so many layers divides q.k by the root of width / query
                          // heads, the others by that of head_dim (files do not say it)
};
constexpr Architecture kArchitectures[] = {
    {"llama", RopePairs::neighbours, false, false, false, false, Activation::silu, 0, 0, 0},
    {"qwen2", RopePairs::halves, true, false, false, false, Activation::silu, 0, 0, 0},
    {"qwen3", RopePairs::halves, false, true, false, false, Activation::silu, 0, 0, 0},
    {"gemma3", RopePairs::halves, false, true, true, true, Activation::gelu_tanh, 6, 1e4,
     62},  // 27B
};

const Architecture& find_architecture(const gguf::File& file) {
  const auto name = file.get_string("general.architecture");
  std::vector<std::string> known;
  for (const auto& architecture : kArchitectures) {
    if (name == architecture.name) return architecture;
    known.push_back(architecture.name);
  }
  fail(ErrorCode::bad_model, fmt::format("{}: architecture '{}' is not one that pith runs ({})",
                                         file.name(), name, fmt::join(known, ", ")));
}

// Which layers have a window: the file's own list (one flag per layer) or period where it gives
// one, else the architecture's period.
std::vector<bool> windowed_layers(const gguf::File& file, const std::string& key,
                                  const Architecture& architecture, Index layers) {
  std::vector<bool> windowed(static_cast<std::size_t>(layers), false);
  if (const auto* value = file.find(key);
      value && std::holds_alternative<std::vector<bool>>(*value)) {
    const auto& flags = std::get<std::vector<bool>>(*value);
    if (flags.size() != windowed.size())
      fail(ErrorCode::bad_model, fmt::format("{}: {} has {} flags for {} layers", file.name(), key,
                                             flags.size(), layers));
    return flags;
  }
  const Index period = file.get_index(key, architecture.full_attention_every);
  if (period <= 0)
    fail(ErrorCode::bad_model,
         fmt::format("{}: {} is {}; it must be positive", file.name(), key, period));
  for (Index l = 0; l < layers; ++l) windowed[static_cast<std::size_t>(l)] = (l + 1) % period != 0;
  return windowed;
}

RopeScaling read_scaling(const gguf::File& file, const std::string& prefix) {
  RopeScaling scaling;
  const auto kind = file.get_string(prefix + "rope.scaling.type", "none");
  if (kind == "none" || kind == "llama3")
    return scaling;  // llama3's factors come as a tensor (rope_freqs.weight)
  if (kind != "linear" && kind != "yarn")
    fail(ErrorCode::bad_model,
         fmt::format("{}: rope scaling '{}' is not known (none, linear, yarn, llama3)", file.name(),
                     kind));
  scaling.kind = kind == "yarn" ? RopeScaling::Kind::yarn : RopeScaling::Kind::linear;
  scaling.factor = file.get_number(prefix + "rope.scaling.factor", 1.0);
  scaling.attention_factor = file.get_number(prefix + "rope.scaling.attn_factor", 1.0);
  scaling.original_context = file.get_index(prefix + "rope.scaling.original_context_length",
                                            file.get_index(prefix + "context_length"));
  scaling.beta_fast = file.get_number(prefix + "rope.scaling.yarn_beta_fast", 32.0);
  scaling.beta_slow = file.get_number(prefix + "rope.scaling.yarn_beta_slow", 1.0);
  return scaling;
}

void check_config(const ModelConfig& config, const gguf::File& file) {
  const auto require = [&](bool ok, const char* what, auto value) {
    if (!ok)
      fail(ErrorCode::bad_model,
           fmt::format("{}: {} is {}, which no model can have", file.name(), what, value));
  };
  require(config.layer_count() > 0 && config.layer_count() <= 1024, "block_count",
          config.layer_count());
  require(config.width > 0 && config.width <= 65536, "embedding_length", config.width);
  require(config.hidden > 0 && config.hidden <= 1048576, "feed_forward_length", config.hidden);
  require(config.query_heads > 0 && config.query_heads <= 1024, "attention.head_count",
          config.query_heads);
  require(config.kv_heads > 0 && config.query_heads % config.kv_heads == 0,
          "attention.head_count_kv", config.kv_heads);
  require(config.head_dim > 0 && config.head_dim % 16 == 0 && config.head_dim <= 1024,
          "attention.key_length", config.head_dim);
  require(config.context_length > 0, "context_length", config.context_length);
  require(config.norm_eps > 0 && config.norm_eps < 1, "attention.layer_norm_rms_epsilon",
          config.norm_eps);
  require(config.rope_scaling.factor > 0, "rope.scaling.factor", config.rope_scaling.factor);
  for (const auto& layer : config.layers)
    require(layer.rope_base > 1, "rope.freq_base", layer.rope_base);
}

}  // namespace

ModelConfig read_config(const gguf::File& file) {
  const Architecture& architecture = find_architecture(file);
  const std::string prefix = std::string(architecture.name) + ".";
  ModelConfig config;
  config.architecture = architecture.name;
  config.name = file.get_string("general.name", architecture.name);
  config.width = file.get_index(prefix + "embedding_length");
  config.hidden = file.get_index(prefix + "feed_forward_length");
  config.query_heads = file.get_index(prefix + "attention.head_count");
  config.kv_heads = file.get_index(prefix + "attention.head_count_kv", config.query_heads);
  if (config.query_heads <= 0 || config.kv_heads <= 0)
    fail(ErrorCode::bad_model,
         fmt::format("{}: attention.head_count must be positive", file.name()));
  config.head_dim =
      file.get_index(prefix + "attention.key_length", config.width / config.query_heads);
  const Index value_dim = file.get_index(prefix + "attention.value_length", config.head_dim);
  if (value_dim != config.head_dim)
    fail(ErrorCode::bad_model,
         fmt::format(
             "{}: keys have {} components but values {}; pith runs models where they are equal",
             file.name(), config.head_dim, value_dim));
  const Index rotated = file.get_index(prefix + "rope.dimension_count", config.head_dim);
  if (rotated != config.head_dim)
    fail(ErrorCode::bad_model,
         fmt::format(
             "{}: only {} of {} head components are rotated; pith runs models that rotate all",
             file.name(), rotated, config.head_dim));
  config.vocabulary = file.tensor("token_embd.weight").rows();
  config.context_length = file.get_index(prefix + "context_length");
  config.norm_eps =
      static_cast<float>(file.get_number(prefix + "attention.layer_norm_rms_epsilon"));
  if (architecture.scale_embedding)
    config.embedding_scale = std::sqrt(static_cast<float>(config.width));
  config.logit_softcap =
      static_cast<float>(file.get_number(prefix + "final_logit_softcapping", 0.0));
  config.activation = architecture.activation;
  config.rope_pairs = architecture.rope_pairs;
  config.qkv_bias = architecture.qkv_bias;
  config.qk_norm = architecture.qk_norm;
  config.post_norms = architecture.post_norms;
  config.rope_scaling = read_scaling(file, prefix);

  const Index layers = file.get_index(prefix + "block_count");
  if (layers <= 0 || layers > 1024)
    fail(ErrorCode::bad_model, fmt::format("{}: {}block_count is {}, which no model can have",
                                           file.name(), prefix, layers));
  const bool by_width = layers == architecture.scaled_by_width;
  config.attention_scale =
      1.0f /
      std::sqrt(static_cast<float>(by_width ? config.width / config.query_heads : config.head_dim));
  const double base = file.get_number(prefix + "rope.freq_base", 10000.0);
  const Index window = architecture.full_attention_every
                           ? file.get_index(prefix + "attention.sliding_window", 0)
                           : 0;
  std::vector<bool> windowed(static_cast<std::size_t>(layers), false);
  if (window > 0)
    windowed =
        windowed_layers(file, prefix + "attention.sliding_window_pattern", architecture, layers);
  for (const bool local : windowed)
    config.layers.push_back({.window = local ? window : 0,
                             .rope_base = local ? architecture.window_rope_base : base,
                             .rope_scaled = !local});
  check_config(config, file);
  return config;
}

}  // namespace pith
