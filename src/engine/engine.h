// The engine: a model with its tokenizer, chat template, threads and numerics, shared by all
// contexts. It holds no cache.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "base/thread_pool.h"
#include "cache/cache.h"
#include "model/forward.h"
#include "model/model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace pith {

struct EngineOptions {
  int threads = 0;                     // 0: one per core
  Numerics numerics = Numerics::fast;  // exact also keeps the cache in f32
  Index prefill_chunk = 512;           // tokens computed at once
  std::filesystem::path calibration;   // what was measured of the model (calibration.h); load()
                                       // fills in the model's path + ".calibration"
  bool ignore_batch_size = false;      // no bit of an answer depends on how many are decoded
                                       // together (numerics.md); decoding alone is slower
};

// Immutable but for its threads and buffers: one forward pass at a time (calls from several threads
// must be serialised by the caller).
class VirtualStore;  // engine/virtual_store.h

class Engine {
 public:
  static std::shared_ptr<Engine> load(const std::filesystem::path& model,
                                      const EngineOptions& options = {});
  static std::shared_ptr<Engine> from(gguf::File file, const EngineOptions& options = {});

  const Model& model() const { return model_; }
  const ModelConfig& config() const { return model_.config(); }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const ChatTemplate* chat_template() const { return chat_template_ ? &*chat_template_ : nullptr; }
  const EngineOptions& options() const { return options_; }
  cache::Format cache_format() const;
  cache::Shape cache_shape() const;
  cache::Rotation cache_rotation() const;

  ThreadPool& pool() { return pool_; }
  ForwardWorkspace& workspace() { return workspace_; }

  // Where optimised virtual tokens are kept; null, which they are at first: nowhere.
  void set_virtual_store(std::shared_ptr<const VirtualStore> store) { store_ = std::move(store); }
  const VirtualStore* virtual_store() const { return store_.get(); }

  // ||Wo_h v||_2 for the values of one KV head under each query head of its group: out [G, n].
  // (KVzip+, CriticalKV.)
  void projected_value_norms(Index layer, Index kv_head, std::span<const float> values,  // [n, D]
                             std::span<float> out);
  // The mean of ||Wo_h v||_1 over the query heads of the group: out [n]. Dearer: E numbers per
  // value and head. (CriticalKV, DefensiveKV.)
  void projected_value_sums(Index layer, Index kv_head, std::span<const float> values,  // [n, D]
                            std::span<float> out);

 private:
  Engine(Model model, Tokenizer tokenizer, std::optional<ChatTemplate> chat_template,
         const EngineOptions& options);
  const std::vector<float>& output_gram(Index layer);

  Model model_;
  Tokenizer tokenizer_;
  std::optional<ChatTemplate> chat_template_;
  EngineOptions options_;
  ThreadPool pool_;
  ForwardWorkspace workspace_;
  std::shared_ptr<const VirtualStore> store_;
  std::vector<std::vector<float>> output_grams_;  // [L][Hq, D, D], made on first use
};

}  // namespace pith
