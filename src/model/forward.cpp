#include "model/forward.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "kernels/vector.h"

namespace pith {

struct ForwardWorkspace::State {
  std::vector<float> x;                            // [R, E] residual stream
  std::vector<float> normed;                       // [R, E]
  std::vector<float> query, key, value, attended;  // [R, heads * D]
  std::vector<float> gate, up;                     // [R, FF]
  std::vector<float> branch;  // [R, E] output of a block before it joins the residual stream
  std::vector<float> hidden;  // [wanted, E]
  Activations activations, query_activations;
};

ForwardWorkspace::ForwardWorkspace() : state_(std::make_unique<State>()) {}
ForwardWorkspace::~ForwardWorkspace() = default;
ForwardWorkspace::ForwardWorkspace(ForwardWorkspace&&) noexcept = default;
ForwardWorkspace& ForwardWorkspace::operator=(ForwardWorkspace&&) noexcept = default;

void ForwardWorkspace::ignore_batch_size() {
  state_->activations.ignore_batch_size();
  state_->query_activations.ignore_batch_size();
}

namespace {

std::span<float> sized(std::vector<float>& buffer, Index size) {
  if (static_cast<Index>(buffer.size()) < size) buffer.resize(static_cast<std::size_t>(size));
  return {buffer.data(), static_cast<std::size_t>(size)};
}

// Rows below this count are not worth waking the other threads for.
constexpr Index kParallelRows = 4;

template <typename F>
void for_rows(ThreadPool& pool, Index rows, F&& body) {
  if (rows < kParallelRows) {
    for (Index r = 0; r < rows; ++r) body(r);
    return;
  }
  constexpr Index kBlock = 8;
  pool.run(ceil_div(rows, kBlock), [&](Index block, int) {
    for (Index r = block * kBlock; r < std::min(rows, (block + 1) * kBlock); ++r) body(r);
  });
}

// One forward pass; the steps of a layer as functions over the workspace.
class Pass {
 public:
  Pass(const Model& model, const Batch& batch, Numerics numerics, AttentionBackend& attention,
       ForwardWorkspace::State& buffers, ThreadPool& pool)
      : model_(model),
        config_(model.config()),
        batch_(batch),
        numerics_(numerics),
        attention_(attention),
        buffers_(buffers),
        pool_(pool),
        angles_({batch.positions.begin(), batch.positions.end()}) {
    std::vector<Index> positions;
    for (const auto& sequence : batch.sequences) {
      rows_ += sequence.rows;
      wanted_ += sequence.wanted;
      const auto end = batch.positions.begin() + rows_;
      positions.insert(positions.end(), end - sequence.wanted, end);
    }
    wanted_angles_ = RopeAngleCache(std::move(positions));
  }

  std::span<const float> run() {
    embed();
    const Index last = config_.layer_count() - 1;
    for (Index l = 0; l <= last; ++l) {
      attention_block(l, l == last);
      ffn_block(l);
    }
    const auto x = sized(buffers_.x, wanted_ * config_.width),
               hidden = sized(buffers_.hidden, wanted_ * config_.width);
    normalise(x, model_.output_norm(), hidden);
    return hidden;
  }

 private:
  Index width() const { return config_.width; }

  void embed() {
    const auto x = sized(buffers_.x, rows_ * width());
    for_rows(pool_, rows_, [&](Index r) {
      const auto row =
          x.subspan(static_cast<std::size_t>(r * width()), static_cast<std::size_t>(width()));
      dequantize(model_.embedding(), batch_.tokens[static_cast<std::size_t>(r)], 0, width(), row);
      if (config_.embedding_scale != 1)
        for (float& value : row) value *= config_.embedding_scale;
    });
  }

  void normalise(std::span<const float> x, std::span<const float> weight, std::span<float> out) {
    for_rows(pool_, static_cast<Index>(x.size()) / width(), [&](Index r) {
      kernels_.rms_norm(x.data() + r * width(), weight.data(), config_.norm_eps, width(),
                        out.data() + r * width());
    });
  }

  // x += branch, normalised first where the architecture norms the outputs of its blocks.
  void join(std::span<const float> post_norm) {
    float* x = buffers_.x.data();
    float* branch = buffers_.branch.data();
    for_rows(pool_, active_rows_, [&](Index r) {
      float* b = branch + r * width();
      if (!post_norm.empty()) kernels_.rms_norm(b, post_norm.data(), config_.norm_eps, width(), b);
      kernels_.axpy(1.0f, b, width(), x + r * width());
    });
  }

  // Moves the wanted rows of [R, size] to the front.
  void keep_wanted(std::span<float> rows, Index size) {
    Index from = 0, to = 0;
    for (const auto& sequence : batch_.sequences) {
      from += sequence.rows - sequence.wanted;
      std::memmove(rows.data() + to * size, rows.data() + from * size,
                   static_cast<std::size_t>(sequence.wanted * size) * sizeof(float));
      from += sequence.wanted;
      to += sequence.wanted;
    }
  }

  // After the last layer's attention only the wanted rows go on; its queries and attention are
  // those of all rows if the batch asks for them, keys and values always.
  void attention_block(Index l, bool last) {
    const bool narrow = last && !batch_.whole_last_layer;
    const LayerWeights& w = model_.layer(l);
    const Index q_size = config_.query_heads * config_.head_dim,
                kv_size = config_.kv_heads * config_.head_dim;
    const auto x = sized(buffers_.x, rows_ * width());
    const auto normed = sized(buffers_.normed, rows_ * width());
    normalise(x, w.attention_norm, normed);
    const auto key = sized(buffers_.key, rows_ * kv_size),
               value = sized(buffers_.value, rows_ * kv_size);
    const Product products[] = {{w.key, bias(w.key_bias), key.data(), kv_size},
                                {w.value, bias(w.value_bias), value.data(), kv_size},
                                {w.query, bias(w.query_bias), nullptr, q_size}};
    buffers_.activations.prepare(normed, rows_, width(), numerics_, pool_);
    active_rows_ = narrow ? wanted_ : rows_;
    const auto query = sized(buffers_.query, active_rows_ * q_size);
    if (narrow) {
      multiply(buffers_.activations, std::span(products, 2), pool_);
      keep_wanted(x, width());
      keep_wanted(normed, width());
      buffers_.query_activations.prepare(normed.first(static_cast<std::size_t>(wanted_ * width())),
                                         wanted_, width(), numerics_, pool_);
      Product only_query = products[2];
      only_query.y = query.data();
      multiply(buffers_.query_activations, std::span(&only_query, 1), pool_);
    } else {
      Product all[] = {products[0], products[1], products[2]};
      all[2].y = query.data();
      multiply(buffers_.activations, all, pool_);
    }
    shape_heads(key, config_.kv_heads, w.key_norm);
    shape_heads(query, config_.query_heads, w.query_norm);
    if (attention_.wants_queries() && !narrow) attention_.observe(l, normed, query);
    rotate(l, key, config_.kv_heads, false);
    rotate(l, query, config_.query_heads, narrow);
    attention_.store(l, key, value);

    const auto attended = sized(buffers_.attended, active_rows_ * q_size);
    std::vector<Index> rows;
    for (const auto& sequence : batch_.sequences)
      rows.push_back(narrow ? sequence.wanted : sequence.rows);
    if (active_rows_ == 0) return;
    attention_.attend(l, query, rows, attended);
    if (last && !narrow) {
      keep_wanted(x, width());
      keep_wanted(attended, q_size);
      active_rows_ = wanted_;
      if (active_rows_ == 0) return;
    }
    const auto branch = sized(buffers_.branch, active_rows_ * width());
    project(w.output, attended.first(static_cast<std::size_t>(active_rows_ * q_size)), q_size,
            branch);
    join(w.post_attention_norm);
  }

  void ffn_block(Index l) {
    if (active_rows_ == 0) return;
    const LayerWeights& w = model_.layer(l);
    const auto normed = sized(buffers_.normed, active_rows_ * width());
    normalise(sized(buffers_.x, active_rows_ * width()), w.ffn_norm, normed);
    const auto gate = sized(buffers_.gate, active_rows_ * config_.hidden),
               up = sized(buffers_.up, active_rows_ * config_.hidden);
    buffers_.activations.prepare(normed, active_rows_, width(), numerics_, pool_);
    const Product products[] = {{w.gate, nullptr, gate.data(), config_.hidden},
                                {w.up, nullptr, up.data(), config_.hidden}};
    multiply(buffers_.activations, products, pool_);
    const auto activate =
        config_.activation == Activation::silu ? kernels_.silu_mul : kernels_.gelu_tanh_mul;
    for_rows(pool_, active_rows_, [&](Index r) {
      float* g = gate.data() + r * config_.hidden;
      activate(g, up.data() + r * config_.hidden, config_.hidden, g);
    });
    project(w.down, gate, config_.hidden, sized(buffers_.branch, active_rows_ * width()));
    join(w.post_ffn_norm);
  }

  void project(const WeightMatrix& w, std::span<const float> in, Index cols, std::span<float> out) {
    buffers_.activations.prepare(in, active_rows_, cols, numerics_, pool_);
    const Product product{w, nullptr, out.data(), width()};
    multiply(buffers_.activations, std::span(&product, 1), pool_);
  }

  void shape_heads(std::span<float> x, Index heads, std::span<const float> norm) {
    const Index D = config_.head_dim;
    if (norm.empty() && config_.rope_pairs == RopePairs::halves) return;
    for_rows(pool_, static_cast<Index>(x.size()) / (heads * D), [&](Index r) {
      for (Index h = 0; h < heads; ++h) {
        float* head = x.data() + (r * heads + h) * D;
        if (!norm.empty()) kernels_.rms_norm(head, norm.data(), config_.norm_eps, D, head);
        if (config_.rope_pairs == RopePairs::neighbours) to_halves(head, D);
      }
    });
  }

  // Rotates all rows of x, or the wanted rows only.
  void rotate(Index l, std::span<float> x, Index heads, bool wanted_only) {
    const RopeAngles& angles = (wanted_only ? wanted_angles_ : angles_).of(model_.rope(l));
    const Index D = config_.head_dim;
    for_rows(pool_, static_cast<Index>(x.size()) / (heads * D), [&](Index r) {
      for (Index h = 0; h < heads; ++h)
        kernels_.rope(x.data() + (r * heads + h) * D, angles.cos.data() + r * D / 2,
                      angles.sin.data() + r * D / 2, D);
    });
  }

  static const float* bias(const std::vector<float>& values) {
    return values.empty() ? nullptr : values.data();
  }

  const Model& model_;
  const ModelConfig& config_;
  const Batch& batch_;
  Numerics numerics_;
  AttentionBackend& attention_;
  ForwardWorkspace::State& buffers_;
  ThreadPool& pool_;
  const VectorKernels& kernels_ = vector_kernels();
  Index rows_ = 0, wanted_ = 0, active_rows_ = 0;
  RopeAngleCache angles_, wanted_angles_;  // of all rows, of the wanted ones
};

}  // namespace

std::span<const float> forward(const Model& model, const Batch& batch, Numerics numerics,
                               AttentionBackend& attention, ForwardWorkspace& workspace,
                               ThreadPool& pool) {
  for (Token token : batch.tokens)
    PITH_CHECK(token >= 0 && token < model.config().vocabulary,
               fmt::format("token {} of {}", token, model.config().vocabulary));
  PITH_CHECK(batch.tokens.size() == batch.positions.size(), "one position per token");
  return Pass(model, batch, numerics, attention, workspace.state(), pool).run();
}

void compute_logits(const Model& model, std::span<const float> hidden, Numerics numerics,
                    ForwardWorkspace& workspace, ThreadPool& pool, std::span<float> out) {
  const auto& config = model.config();
  const Index rows = static_cast<Index>(hidden.size()) / config.width;
  auto& activations = workspace.state().activations;
  activations.prepare(hidden, rows, config.width, numerics, pool);
  const Product product{model.head(), nullptr, out.data(), config.vocabulary};
  multiply(activations, std::span(&product, 1), pool);
  soft_cap(out, config.logit_softcap, pool);
}

void soft_cap(std::span<float> logits, float cap, ThreadPool& pool) {
  constexpr Index kPiece = 8192;
  if (cap <= 0) return;
  const Index size = std::ssize(logits);
  pool.run(ceil_div(size, kPiece), [&](Index piece, int) {
    for (Index i = piece * kPiece; i < std::min((piece + 1) * kPiece, size); ++i) {
      float& x = logits[static_cast<std::size_t>(i)];
      x = cap * std::tanh(x / cap);
    }
  });
}

}  // namespace pith
