#include "pith/engine.h"

#include <fmt/format.h>

#include "api/handles.h"
#include "base/error.h"
#include "hub/hub.h"
#include "kernels/isa.h"
#include "pith/pith.h"

namespace pithkv {

SharedEngine::Turn::Turn(SharedEngine& shared)
    : shared_(shared), lock_(shared.mutex_, std::defer_lock) {
  if (shared.holder_ == std::this_thread::get_id())
    pith::fail(ErrorCode::bad_input,
               "an engine was called by the on_text or on_progress of a call that it is carrying "
               "out; let that call end first, or load a second engine");
  lock_.lock();
  shared.holder_ = std::this_thread::get_id();
}

Engine::Engine(std::shared_ptr<SharedEngine> shared) : shared_(std::move(shared)) {}

Engine Engine::load(const std::string& model, const EngineOptions& options) {
  if (options.threads < 0 || options.threads > pith::kMostThreads)
    pith::fail(ErrorCode::bad_input,
               fmt::format("threads={}: up to {} threads, or 0 for one per core, were expected",
                           options.threads, pith::kMostThreads));
  return Handles::wrap(
      pith::Engine::load(pith::hub::Hub().resolve(model),
                         {.threads = options.threads,
                          .numerics = options.exact ? pith::Numerics::exact : pith::Numerics::fast,
                          .ignore_batch_size = options.ignore_batch_size}));
}

const std::string& Engine::name() const { return shared_->engine->config().name; }
std::int64_t Engine::layers() const { return shared_->engine->config().layer_count(); }
std::int64_t Engine::kv_heads() const { return shared_->engine->config().kv_heads; }
std::int64_t Engine::head_dim() const { return shared_->engine->config().head_dim; }
std::int64_t Engine::context_length() const { return shared_->engine->config().context_length; }
std::string Engine::model_hash() const {
  return fmt::format("{:016x}", shared_->engine->model().hash());
}
std::string_view Engine::numerics() const {
  return shared_->engine->options().numerics == pith::Numerics::exact ? "exact" : "fast";
}
std::string_view Engine::isa() const { return to_string(pith::active_isa()); }

std::vector<Token> Engine::tokenize(std::string_view text) const {
  return shared_->engine->tokenizer().encode(text);
}

std::string_view version() { return PITH_VERSION; }

}  // namespace pithkv
