// Engine: a model with its tokenizer and threads. It holds no text: what it reads is a Context
// (context.h) or a Conversation (conversation.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pith/answer.h"
#include "pith/context.h"
#include "pith/export.h"
#include "pith/progress.h"

namespace pithkv {

struct SharedEngine;  // src/api/handles.h

struct EngineOptions {
  int threads = 0;                 // 0: one per core
  bool exact = false;              // compute in f32 and keep the cache in f32
  bool ignore_batch_size = false;  // no bit of an answer depends on how many are decoded together;
                                   // decoding one alone is slower
};

struct ReadOptions {
  std::vector<std::string> recipes = {};  // that Context::compress will be given
  std::string system = {};                // system text before the document
  OnProgress on_progress = {};            // may be empty
};

// A handle: copies are the same engine, which lives as long as any of them, or anything read by it.
// May be used from any thread. An engine computes one thing at a time; other calls wait their turn.
class PITH_API Engine {
 public:
  // `model`: a name of `pith pull --list` that was pulled, or the path of a GGUF file. Throws
  // not_found, bad_file or bad_model.
  static Engine load(const std::string& model, const EngineOptions& options = {});

  const std::string& name() const;
  std::int64_t layers() const;
  std::int64_t kv_heads() const;
  std::int64_t head_dim() const;
  std::int64_t context_length() const;  // tokens, at most
  std::string model_hash() const;       // 16 hexadecimal digits; saved contexts are bound to it
  std::string_view numerics() const;    // "exact" or "fast"
  std::string_view isa() const;         // instruction set of the kernels

  // Token ids of a text; control tokens in it are read as plain text.
  std::vector<Token> tokenize(std::string_view text) const;

  // Reads a document (UTF-8) in the model's chat template, before any question is known, and
  // collects the signals that the recipes look at. Throws bad_input (an empty document, one beyond
  // the model's range), bad_recipe, bad_budget, cancelled.
  Context read(std::string_view document, const ReadOptions& options = {}) const;

 private:
  friend struct Handles;
  PITH_HIDDEN explicit Engine(std::shared_ptr<SharedEngine> shared);
  std::shared_ptr<SharedEngine> shared_;
};

}  // namespace pithkv
