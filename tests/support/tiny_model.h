// Complete GGUF models of a few hundred kilobytes with seeded random weights, for tests of
// everything that loads a model. They say nothing sensible: only shapes, names and magnitudes are
// those of real models.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "base/types.h"
#include "gguf/gguf.h"

namespace pith::test {

enum class TinyRope { none, linear, yarn, llama3 };  // llama3: by the tensor rope_freqs.weight

struct TinyModelOptions {
  std::string architecture = "llama";  // llama, qwen2, qwen3 or gemma3
  Index layers = 2;
  Index width = 64;
  Index heads = 4, kv_heads = 2, head_dim = 16;
  Index ff = 128;
  Index vocab = 320;  // at least kTinyVocab; what is left over is filled with unused tokens
  Index context = 512;
  WeightType weights = WeightType::f32;  // of all matrices; its block must divide their columns
  WeightType embeddings = WeightType::f32;
  bool tied = true;           // false adds output.weight
  Index sliding_window = 0;   // 0: the key is absent
  Index sliding_pattern = 0;  // every n-th layer is global; 0: the key is absent
  TinyRope rope = TinyRope::none;
  double rope_base = 10000.0, rope_factor = 4.0;
  double logit_softcap = 0;  // 0: the key is absent
  std::uint64_t seed = 1;
};

// Pairs in the order of their merging. Spaces are written as in the file, as U+0120.
inline constexpr std::string_view kTinyMerges[] = {
    "t h",      "i n",          "e r", "th e",       "a n",        "r e", "o n", "an d", "\u0120 t",
    "\u0120 a", "in g",         "e n", "\u0120 the", "\u0120 and", "l l", "o r", "h e",  "he ll",
    "hell o",   "\u0120 hello", "s e", "\u0120 i",   "\u0120 in"};
inline constexpr std::string_view kTinySpecials[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
inline constexpr Index kTinyVocab = 256 + std::size(kTinyMerges) + std::size(kTinySpecials);
inline constexpr std::string_view kTinyChatTemplate =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ "
    "'<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\\n' }}"
    "{% endif %}";

// The printable symbol that stands for a byte in byte-level vocabularies (Radford et al. 2019), as
// UTF-8.
inline std::string tiny_byte_symbol(int byte) {
  const auto printable = [](int b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  };
  int code = byte;
  if (!printable(byte)) {
    code = 256;
    for (int b = 0; b < byte; ++b) code += printable(b) ? 0 : 1;
  }
  if (code < 128) return {static_cast<char>(code)};
  return {static_cast<char>(0xc0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3f))};
}

// Ids: 0-255 the bytes themselves, then the merges, then the special tokens, then unused ones.
inline void set_tiny_tokenizer(gguf::Writer& writer, Index vocab) {
  constexpr std::int64_t kNormal = 1, kControl = 3, kUnused = 5;
  PITH_CHECK(vocab >= kTinyVocab, std::to_string(vocab));
  std::vector<std::string> tokens, merges;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(tiny_byte_symbol(byte));
  for (const std::string_view merge : kTinyMerges) {
    const std::size_t space = merge.find(' ');
    merges.emplace_back(merge);
    tokens.push_back(std::string(merge.substr(0, space)) + std::string(merge.substr(space + 1)));
  }
  std::vector<std::int64_t> types(tokens.size(), kNormal);
  const auto first_special = static_cast<std::uint64_t>(tokens.size());
  for (const std::string_view special : kTinySpecials) tokens.emplace_back(special);
  types.resize(tokens.size(), kControl);
  while (static_cast<Index>(tokens.size()) < vocab)
    tokens.push_back("[PAD" + std::to_string(tokens.size()) + "]");
  types.resize(tokens.size(), kUnused);
  writer.set("tokenizer.ggml.model", "gpt2");
  writer.set("tokenizer.ggml.pre", "qwen2");
  writer.set("tokenizer.ggml.tokens", std::move(tokens));
  writer.set("tokenizer.ggml.token_type", std::move(types));
  writer.set("tokenizer.ggml.merges", std::move(merges));
  writer.set("tokenizer.ggml.bos_token_id", first_special);
  writer.set("tokenizer.ggml.eos_token_id", first_special + 2);
  writer.set("tokenizer.ggml.padding_token_id", first_special);
  writer.set("tokenizer.ggml.add_bos_token", false);
  writer.set("tokenizer.chat_template", std::string(kTinyChatTemplate));
}

inline void set_tiny_hyperparameters(gguf::Writer& writer, const TinyModelOptions& o) {
  const auto set = [&](const char* key, gguf::Value value) {
    writer.set(o.architecture + "." + key, std::move(value));
  };
  const auto set_index = [&](const char* key, Index value) {
    set(key, static_cast<std::uint64_t>(value));
  };
  writer.set("general.architecture", o.architecture);
  writer.set("general.name", "tiny " + o.architecture);
  set_index("block_count", o.layers);
  set_index("context_length", o.context);
  set_index("embedding_length", o.width);
  set_index("feed_forward_length", o.ff);
  set_index("vocab_size", o.vocab);
  set_index("attention.head_count", o.heads);
  set_index("attention.head_count_kv", o.kv_heads);
  set_index("attention.key_length", o.head_dim);
  set_index("attention.value_length", o.head_dim);
  set_index("rope.dimension_count", o.head_dim);
  set("attention.layer_norm_rms_epsilon", 1e-6);
  set("rope.freq_base", o.rope_base);
  if (o.logit_softcap > 0) set("final_logit_softcapping", o.logit_softcap);
  if (o.sliding_window > 0) set_index("attention.sliding_window", o.sliding_window);
  if (o.sliding_pattern > 0) set_index("attention.sliding_window_pattern", o.sliding_pattern);
  if (o.rope == TinyRope::linear || o.rope == TinyRope::yarn) {
    set("rope.scaling.type", o.rope == TinyRope::yarn ? "yarn" : "linear");
    set("rope.scaling.factor", o.rope_factor);
    set_index("rope.scaling.original_context_length",
              static_cast<Index>(static_cast<double>(o.context) / o.rope_factor));
  }
}

// The divisors of the rotation frequencies that Llama 3.1 prescribes, with low and high frequency
// factors 1 and 4.
inline std::vector<float> tiny_llama3_factors(const TinyModelOptions& o) {  // [head_dim / 2]
  const double original = static_cast<double>(o.context) / o.rope_factor;
  std::vector<float> factors;
  for (Index i = 0; i < o.head_dim / 2; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(o.head_dim);
    const double wavelength = 6.283185307179586 * std::pow(o.rope_base, exponent);
    const double smooth = (original / wavelength - 1.0) / 3.0;
    if (smooth >= 1.0)
      factors.push_back(1.0f);
    else if (smooth <= 0.0)
      factors.push_back(static_cast<float>(o.rope_factor));
    else
      factors.push_back(static_cast<float>(1.0 / ((1.0 - smooth) / o.rope_factor + smooth)));
  }
  return factors;
}

inline void add_tiny_tensors(gguf::Writer& writer, const TinyModelOptions& o) {
  Rng rng(o.seed);
  const auto random = [&](Index count, double mean, double deviation) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(mean + deviation * rng.normal());
    return values;
  };
  // Deviation 1/sqrt(columns) keeps the variance of activations from layer to layer.
  const auto matrix = [&](const std::string& name, WeightType type, Index cols, Index rows) {
    const double deviation = 1.0 / std::sqrt(static_cast<double>(cols));
    writer.add_tensor(name + ".weight", type, {cols, rows}, random(cols * rows, 0.0, deviation));
  };
  const auto norm = [&](const std::string& name, Index size) {
    writer.add_tensor(name + ".weight", WeightType::f32, {size}, random(size, 1.0, 0.1));
  };
  const auto bias = [&](const std::string& name, Index size) {
    writer.add_tensor(name + ".bias", WeightType::f32, {size}, random(size, 0.0, 0.1));
  };
  const bool biased = o.architecture == "qwen2";
  const bool head_norms = o.architecture == "qwen3" || o.architecture == "gemma3";
  const bool post_norms = o.architecture == "gemma3";
  const Index q_size = o.heads * o.head_dim, kv_size = o.kv_heads * o.head_dim;

  matrix("token_embd", o.embeddings, o.width, o.vocab);
  for (Index layer = 0; layer < o.layers; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    norm(block + "attn_norm", o.width);
    matrix(block + "attn_q", o.weights, o.width, q_size);
    matrix(block + "attn_k", o.weights, o.width, kv_size);
    matrix(block + "attn_v", o.weights, o.width, kv_size);
    matrix(block + "attn_output", o.weights, q_size, o.width);
    if (biased) {
      bias(block + "attn_q", q_size);
      bias(block + "attn_k", kv_size);
      bias(block + "attn_v", kv_size);
    }
    if (head_norms) {
      norm(block + "attn_q_norm", o.head_dim);
      norm(block + "attn_k_norm", o.head_dim);
    }
    if (post_norms) norm(block + "post_attention_norm", o.width);
    norm(block + "ffn_norm", o.width);
    matrix(block + "ffn_gate", o.weights, o.width, o.ff);
    matrix(block + "ffn_up", o.weights, o.width, o.ff);
    matrix(block + "ffn_down", o.weights, o.ff, o.width);
    if (post_norms) norm(block + "post_ffw_norm", o.width);
  }
  norm("output_norm", o.width);
  if (!o.tied) matrix("output", o.embeddings, o.width, o.vocab);
  if (o.rope == TinyRope::llama3)
    writer.add_tensor("rope_freqs.weight", WeightType::f32, {o.head_dim / 2},
                      tiny_llama3_factors(o));
}

// The same options give the same bytes on every machine with the same libm.
inline std::vector<std::byte> tiny_model(const TinyModelOptions& options = {}) {
  gguf::Writer writer;
  set_tiny_hyperparameters(writer, options);
  set_tiny_tokenizer(writer, options.vocab);
  add_tiny_tensors(writer, options);
  return writer.bytes();
}

}  // namespace pith::test
