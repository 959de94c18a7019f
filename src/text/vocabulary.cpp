#include "text/vocabulary.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "text/pre_tokenizers.h"
#include "text/utf8.h"

namespace pith {
namespace {

constexpr std::string_view kPrefix = "tokenizer.ggml.";

std::string key(std::string_view name) { return std::string(kPrefix) + std::string(name); }

// Special ids are optional, and some writers store 2^32 - 1 for "none".
Token read_id(const gguf::File& file, std::string_view name) {
  const Index id = file.get_index(key(name), -1);
  if (id == -1 || id == 0xffffffff) return -1;
  if (id < 0 || id > 0x7fffffff) {
    fail(ErrorCode::bad_model,
         fmt::format("{}: {} is {}, which is no token id", file.name(), key(name), id));
  }
  return static_cast<Token>(id);
}

}  // namespace

Vocabulary Vocabulary::from_gguf(const gguf::File& file) {
  Vocabulary v;
  v.name = file.name();
  v.model = file.get_string(key("model"));
  v.pre = file.get_string(key("pre"), "");
  v.tokens = file.get_strings(key("tokens"));
  v.types.assign(v.tokens.size(), TokenType::normal);
  if (file.find(key("token_type"))) {
    const auto types = file.get_indices(key("token_type"));
    if (types.size() != v.tokens.size()) {
      fail(ErrorCode::bad_model,
           fmt::format("{}: {} token types for {} tokens", v.name, types.size(), v.tokens.size()));
    }
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (types[i] < 1 || types[i] > 6) {
        fail(ErrorCode::bad_model,
             fmt::format("{}: token {} has type {}; 1 to 6 are known", v.name, i, types[i]));
      }
      v.types[i] = static_cast<TokenType>(types[i]);
    }
  }
  const bool sentencepiece = v.model == "llama";
  if (sentencepiece) v.scores = file.get_floats(key("scores"));
  if (v.model == "gpt2") v.merges = file.get_strings(key("merges"));
  v.bos = read_id(file, "bos_token_id");
  v.eos = read_id(file, "eos_token_id");
  v.unknown = read_id(file, "unknown_token_id");
  for (const char* name : {"eot_token_id", "eom_token_id"}) {
    const Token id = read_id(file, name);
    if (id >= 0) v.end_of_generation.push_back(id);
  }
  const PreTokenizer* pre = sentencepiece ? nullptr : find_pre_tokenizer(v.pre);
  const bool begins = sentencepiece || (pre != nullptr && pre->begins_with_bos);
  v.add_bos = file.get_bool(key("add_bos_token"), begins && v.bos >= 0);
  v.add_eos = file.get_bool(key("add_eos_token"), false);
  v.add_space_prefix = sentencepiece && file.get_bool(key("add_space_prefix"), true);
  return v;
}

void Vocabulary::check() const {
  const auto refuse = [&](const std::string& message) {
    fail(ErrorCode::bad_model, fmt::format("{}: {}", name, message));
  };
  if (tokens.empty()) refuse("the vocabulary is empty");
  if (tokens.size() > 0x7fffffff) refuse("the vocabulary has more than 2^31 tokens");
  if (types.size() != tokens.size()) {
    refuse(fmt::format("{} token types for {} tokens", types.size(), tokens.size()));
  }
  if (model == "llama" && scores.size() != tokens.size()) {
    refuse(fmt::format("{} scores for {} tokens", scores.size(), tokens.size()));
  }
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) refuse(fmt::format("the score of token {} is not a number", i));
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (find_invalid_utf8(tokens[i])) refuse(fmt::format("token {} is not valid UTF-8", i));
  }
  const auto check_id = [&](Token id, std::string_view what) {
    if (id < -1 || id >= static_cast<Index>(tokens.size())) {
      refuse(fmt::format("the {} token is {}, but the vocabulary has {} tokens", what, id,
                         tokens.size()));
    }
  };
  check_id(bos, "beginning");
  check_id(eos, "end");
  check_id(unknown, "unknown");
  for (const Token id : end_of_generation) check_id(id, "end-of-turn");
  if (add_bos && bos < 0) refuse("a beginning token is asked for, but bos_token_id is missing");
  if (add_eos && eos < 0) refuse("an end token is asked for, but eos_token_id is missing");
}

}  // namespace pith
