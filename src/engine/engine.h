// The engine: a model with its tokenizer, chat template, threads and numerics, shared by all
// contexts. It holds no cache.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>

#include "base/error.h"
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

class TrainingStore;  // engine/learned/training_store.h

// The model never changes. Threads, buffers, who may stop a pass and where trainings are kept do:
// one forward pass at a time, and calls from several threads must be serialised by the caller.
class Engine {
 public:
  static std::shared_ptr<Engine> load(const std::filesystem::path& model,
                                      const EngineOptions& options = {});
  static std::shared_ptr<Engine> from(gguf::File file, const EngineOptions& options = {});

  // A second engine over the weights of another, with threads and buffers of its own: both may
  // compute at the same time. `threads` as in EngineOptions.
  static std::shared_ptr<Engine> sharing(const Engine& other, int threads);

  // From now on a forward pass throws Error{cancelled} before its next layer once `stop` asks for
  // it; the context that was reading is then as it was before (context.h).
  void stop_when(std::stop_token stop) { stop_ = std::move(stop); }
  class Stoppable {  // by `stop`, while this lives
   public:
    Stoppable(Engine& engine, std::stop_token stop) : engine_(engine) {
      engine.stop_when(std::move(stop));
    }
    ~Stoppable() { engine_.stop_when({}); }
    Stoppable(const Stoppable&) = delete;
    Stoppable& operator=(const Stoppable&) = delete;

   private:
    Engine& engine_;
  };
  void check_stop() const {
    if (stop_.stop_requested()) fail(ErrorCode::cancelled, "stopped on request");
  }

  const Model& model() const { return loaded_->model; }
  const ModelConfig& config() const { return model().config(); }
  const Tokenizer& tokenizer() const { return loaded_->tokenizer; }
  const ChatTemplate* chat_template() const {
    return loaded_->chat_template ? &*loaded_->chat_template : nullptr;
  }
  const EngineOptions& options() const { return options_; }
  cache::Format cache_format() const;
  cache::Shape cache_shape() const;
  cache::Rotation cache_rotation() const;

  ThreadPool& pool() { return pool_; }
  ForwardWorkspace& workspace() { return workspace_; }

  // Where trainings are kept (virtual tokens, learned entries); null, as it is at first: nowhere.
  void set_training_store(std::shared_ptr<const TrainingStore> store) { store_ = std::move(store); }
  const TrainingStore* training_store() const { return store_.get(); }

  // ||Wo_h v||_2 for the values of one KV head under each query head of its group: out [G, n].
  // (KVzip+, CriticalKV.)
  void projected_value_norms(Index layer, Index kv_head, std::span<const float> values,  // [n, D]
                             std::span<float> out);
  // The mean of ||Wo_h v||_1 over the query heads of the group: out [n]. Dearer: E numbers per
  // value and head. (CriticalKV, DefensiveKV.)
  void projected_value_sums(Index layer, Index kv_head, std::span<const float> values,  // [n, D]
                            std::span<float> out);

 private:
  struct Loaded {  // immutable
    Model model;
    Tokenizer tokenizer;
    std::optional<ChatTemplate> chat_template;
  };
  Engine(std::shared_ptr<const Loaded> loaded, const EngineOptions& options);
  const std::vector<float>& output_gram(Index layer);

  std::shared_ptr<const Loaded> loaded_;
  EngineOptions options_;
  std::stop_token stop_;
  ThreadPool pool_;
  ForwardWorkspace workspace_;
  std::shared_ptr<const TrainingStore> store_;
  std::vector<std::vector<float>> output_grams_;  // [L][Hq, D, D], made on first use
};

}  // namespace pith
