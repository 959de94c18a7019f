#include "model/model.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pith {
namespace {

// The tensors of a file, by name; it remembers which were asked for.
class Tensors {
 public:
  explicit Tensors(const gguf::File& file) : file_(file) {}

  bool has(std::string_view name) const { return file_.find_tensor(name) != nullptr; }

  WeightMatrix matrix(const std::string& name, Index rows, Index cols) {
    const auto& tensor = file_.tensor(name);
    if (tensor.rows() != rows || tensor.cols() != cols)
      fail(ErrorCode::bad_model,
           fmt::format("{}: tensor {} is {} x {}; the configuration says {} x {}", file_.name(),
                       name, tensor.rows(), tensor.cols(), rows, cols));
    read_.insert(name);
    return tensor.matrix();
  }

  std::vector<float> vector(const std::string& name, Index size) {
    const WeightMatrix w = matrix(name, 1, size);
    std::vector<float> values(static_cast<std::size_t>(size));
    dequantize(w, 0, 0, size, values);
    for (float value : values)
      if (!std::isfinite(value))
        fail(ErrorCode::bad_model,
             fmt::format("{}: tensor {} holds a value that is not finite", file_.name(), name));
    return values;
  }

  // A layer's tensor that nothing asked for (a bias, an expert) belongs to a computation that pith
  // does not do: without it the text would be wrong.
  void expect_all_of_layers_read(const std::string& architecture) const {
    for (const auto& tensor : file_.tensors())
      if (tensor.name.starts_with("blk.") && !read_.contains(tensor.name))
        fail(ErrorCode::bad_model,
             fmt::format("{}: tensor {} has no place in a model of architecture '{}' as pith "
                         "computes it; expected the layers to hold only what that needs",
                         file_.name(), tensor.name, architecture));
  }

 private:
  const gguf::File& file_;
  std::set<std::string> read_;
};

LayerWeights read_layer(Tensors& tensors, const ModelConfig& config, Index l) {
  const Index E = config.width, D = config.head_dim, q = config.query_heads * D,
              kv = config.kv_heads * D;
  const auto name = [&](const char* part) { return fmt::format("blk.{}.{}", l, part); };
  const auto matrix = [&](const char* part, Index rows, Index cols) {
    return tensors.matrix(name(part), rows, cols);
  };
  const auto vector = [&](const char* part, Index size) {
    return tensors.vector(name(part), size);
  };
  LayerWeights layer;
  layer.attention_norm = vector("attn_norm.weight", E);
  layer.ffn_norm = vector("ffn_norm.weight", E);
  layer.query = matrix("attn_q.weight", q, E);
  layer.key = matrix("attn_k.weight", kv, E);
  layer.value = matrix("attn_v.weight", kv, E);
  layer.output = matrix("attn_output.weight", E, q);
  layer.gate = matrix("ffn_gate.weight", config.hidden, E);
  layer.up = matrix("ffn_up.weight", config.hidden, E);
  layer.down = matrix("ffn_down.weight", E, config.hidden);
  if (config.qkv_bias) {
    layer.query_bias = vector("attn_q.bias", q);
    layer.key_bias = vector("attn_k.bias", kv);
    layer.value_bias = vector("attn_v.bias", kv);
  }
  if (config.qk_norm) {
    layer.query_norm = vector("attn_q_norm.weight", D);
    layer.key_norm = vector("attn_k_norm.weight", D);
  }
  if (config.post_norms) {
    layer.post_attention_norm = vector("post_attention_norm.weight", E);
    layer.post_ffn_norm = vector("post_ffw_norm.weight", E);
  }
  return layer;
}

std::uint64_t mix(std::uint64_t hash, std::span<const std::byte> bytes) {  // FNV-1a, 64 bits
  for (std::byte b : bytes) hash = (hash ^ static_cast<std::uint64_t>(b)) * 0x100000001b3u;
  return hash;
}

}  // namespace

std::uint64_t Model::hash_of(const gguf::File& file) {
  constexpr std::size_t kSample = 4096;  // bytes from both ends of every tensor: enough to tell
                                         // fine-tunes apart, quick on gigabytes
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const auto& tensor : file.tensors()) {
    hash = mix(hash, std::as_bytes(std::span(tensor.name)));
    hash = mix(hash, tensor.data.first(std::min(kSample, tensor.data.size())));
    hash = mix(hash, tensor.data.last(std::min(kSample, tensor.data.size())));
  }
  return hash;
}

Model Model::load(const std::filesystem::path& path) { return from(gguf::File::open(path)); }

Model Model::from(gguf::File file) {
  Model model(std::move(file));
  const gguf::File& source = model.file_;
  model.config_ = read_config(source);
  const ModelConfig& config = model.config_;
  Tensors tensors(source);
  std::vector<float> factors;
  if (tensors.has("rope_freqs.weight"))
    factors = tensors.vector("rope_freqs.weight", config.head_dim / 2);
  for (Index l = 0; l < config.layer_count(); ++l) {
    model.layers_.push_back(read_layer(tensors, config, l));
    model.rope_.push_back(
        rope_frequencies(config, config.layers[static_cast<std::size_t>(l)], factors));
  }
  tensors.expect_all_of_layers_read(config.architecture);
  model.embedding_ = tensors.matrix("token_embd.weight", config.vocabulary, config.width);
  model.head_ = tensors.has("output.weight")
                    ? tensors.matrix("output.weight", config.vocabulary, config.width)
                    : model.embedding_;
  model.output_norm_ = tensors.vector("output_norm.weight", config.width);
  model.hash_ = hash_of(source);
  return model;
}

Index Model::weight_bytes() const {
  Index bytes = 0;
  for (const auto& tensor : file_.tensors()) bytes += static_cast<Index>(tensor.data.size());
  return bytes;
}

Index Model::decode_bytes() const {
  const bool tied = head_.data == embedding_.data;
  return weight_bytes() - (tied ? 0 : embedding_.rows * embedding_.row_bytes());
}

}  // namespace pith
