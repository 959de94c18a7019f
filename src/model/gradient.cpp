#include "model/gradient.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/linear.h"
#include "kernels/vector.h"
#include "model/gradient_ops.h"

namespace pith {
namespace {

std::vector<float> zeros(Index size) { return std::vector<float>(static_cast<std::size_t>(size)); }

// Calls body(row) for all rows, some of them at a time: one is too little to hand out. Copies and
// sums go over all threads, too: a thread that waits for some hundred kilobytes of them falls
// asleep, and waking it takes as long again.
template <typename Body>
void each_row(Index rows, ThreadPool& pool, Body body) {
  constexpr Index kItemsPerThread = 8;
  const Index step = std::max(ceil_div(rows, pool.size() * kItemsPerThread), Index{1});
  pool.run(ceil_div(rows, step), [&](Index item, int) {
    for (Index r = item * step; r < std::min((item + 1) * step, rows); ++r) body(r);
  });
}

void add(std::span<const float> from, std::span<float> to, Index width, ThreadPool& pool) {
  each_row(static_cast<Index>(from.size()) / width, pool, [&](Index r) {
    vector_kernels().axpy(1, from.data() + r * width, width, to.data() + r * width);
  });
}

void copy(std::span<const float> from, std::vector<float>& to, Index width, ThreadPool& pool) {
  to.resize(from.size());
  each_row(static_cast<Index>(from.size()) / width, pool,
           [&](Index r) { std::copy_n(from.data() + r * width, width, to.data() + r * width); });
}

}  // namespace

std::vector<float> token_embeddings(const Model& model, std::span<const Token> tokens) {
  const ModelConfig& config = model.config();
  const auto width = static_cast<std::size_t>(config.width);
  std::vector<float> rows(tokens.size() * width);
  for (std::size_t t = 0; t < tokens.size(); ++t)
    dequantize(model.embedding(), tokens[t], 0, config.width,
               std::span(rows).subspan(t * width, width));
  for (float& x : rows) x *= config.embedding_scale;
  return rows;
}

GradientPass::GradientPass(const Model& model, const PastLanes& past, Index layers, bool to_hidden,
                           Numerics numerics, ThreadPool& pool)
    : model_(model),
      config_(model.config()),
      past_(past),
      layers_(layers),
      to_hidden_(to_hidden),
      numerics_(numerics),
      pool_(pool) {
  PITH_CHECK(layers >= 1 && layers <= config_.layer_count(), "a layer of the model");
  PITH_CHECK(!to_hidden || layers == config_.layer_count(), "hidden states follow all layers");
  PITH_CHECK(static_cast<Index>(past.size()) == config_.layer_count() * config_.kv_heads,
             "one past per lane");
  tapes_.resize(static_cast<std::size_t>(layers));
  entries_.keys.resize(tapes_.size());
  entries_.values.resize(tapes_.size());
}

void GradientPass::normed(std::span<const float> x, std::span<const float> weight,
                          std::vector<float>& out) const {
  out.resize(x.size());
  const Index width = static_cast<Index>(weight.size());
  each_row(static_cast<Index>(x.size()) / width, pool_, [&](Index r) {
    vector_kernels().rms_norm(x.data() + r * width, weight.data(), config_.norm_eps, width,
                              out.data() + r * width);
  });
}

void GradientPass::multiply_all(std::span<const float> x, std::initializer_list<Job> jobs) {
  activations_.prepare(x, rows_, jobs.begin()->weights->cols, numerics_, pool_);
  std::vector<Product> products;
  for (const Job& job : jobs) {
    job.y->resize(static_cast<std::size_t>(rows_ * job.weights->rows));
    products.push_back({*job.weights, job.bias.empty() ? nullptr : job.bias.data(), job.y->data(),
                        job.weights->rows});
  }
  multiply(activations_, products, pool_);
}

// dx = dy w, the gradient of a product's input; with `add`, dx += dy w.
void GradientPass::back_through(std::span<const float> dy, const WeightMatrix& w,
                                std::vector<float>& dx, bool add) const {
  dx.resize(static_cast<std::size_t>(rows_ * w.cols));
  multiply_transposed(dy, rows_, w, numerics_, dx, pool_, active_isa(), add);
}

// The norm of every head, and pairs as halves (see model/forward.cpp).
void GradientPass::shape_heads(std::span<float> x, Index heads, std::span<const float> norm) const {
  const Index D = config_.head_dim;
  if (norm.empty() && config_.rope_pairs == RopePairs::halves) return;
  each_row(rows_, pool_, [&](Index r) {
    for (Index h = 0; h < heads; ++h) {
      float* head = x.data() + (r * heads + h) * D;
      if (!norm.empty()) vector_kernels().rms_norm(head, norm.data(), config_.norm_eps, D, head);
      if (config_.rope_pairs == RopePairs::neighbours) to_halves(head, D);
    }
  });
}

void GradientPass::unshape_heads(std::span<float> dx, std::span<const float> raw, Index heads,
                                 std::span<const float> norm) const {
  const Index D = config_.head_dim;
  if (norm.empty() && config_.rope_pairs == RopePairs::halves) return;
  each_row(rows_, pool_, [&](Index r) {
    std::vector<float> dy(static_cast<std::size_t>(D));
    for (Index i = r * heads; i < (r + 1) * heads; ++i) {
      float* head = dx.data() + i * D;
      if (config_.rope_pairs == RopePairs::neighbours) to_neighbours(head, D);
      if (norm.empty()) continue;
      std::copy_n(head, D, dy.data());
      std::fill_n(head, D, 0.0f);
      rms_norm_backward(raw.data() + i * D, norm.data(), dy.data(), config_.norm_eps, D, head);
    }
  });
}

// `back` turns the other way, which is the transpose; the magnitude is the same both ways.
void GradientPass::rotate(Index l, std::span<float> x, Index heads, bool back) {
  const Index D = config_.head_dim;
  const RopeAngles& angles = (back ? back_angles_ : angles_).of(model_.rope(l));
  each_row(rows_, pool_, [&](Index r) {
    for (Index h = 0; h < heads; ++h)
      vector_kernels().rope(x.data() + (r * heads + h) * D, angles.cos.data() + r * D / 2,
                            angles.sin.data() + r * D / 2, D);
  });
}

AttentionShape GradientPass::attention_shape(Index l) const {
  return {.rows = rows_,
          .query_heads = config_.query_heads,
          .kv_heads = config_.kv_heads,
          .head_dim = config_.head_dim,
          .scale = config_.attention_scale,
          .window = config_.layers[static_cast<std::size_t>(l)].window};
}

AttentionRows GradientPass::attention_rows(Index l) const {
  const auto at = static_cast<std::size_t>(l);
  return {.past = std::span(past_).subspan(static_cast<std::size_t>(l * config_.kv_heads),
                                           static_cast<std::size_t>(config_.kv_heads)),
          .positions = positions_,
          .queries = tapes_[at].query,
          .keys = entries_.keys[at],
          .values = entries_.values[at]};
}

void GradientPass::forward(std::span<const float> embeddings, std::span<const Index> positions) {
  rows_ = static_cast<Index>(positions.size());
  PITH_CHECK(static_cast<Index>(embeddings.size()) == rows_ * config_.width, "one embedding a row");
  positions_.assign(positions.begin(), positions.end());
  angles_ = RopeAngleCache(positions_);
  std::vector<Index> back(positions_);
  for (Index& position : back) position = -position;
  back_angles_ = RopeAngleCache(std::move(back));
  x_.assign(embeddings.begin(), embeddings.end());
  for (Index l = 0; l < layers_; ++l) {
    attention_forward(l);
    if (goes_on(l)) ffn_forward(l);
  }
  if (to_hidden_) normed(x_, model_.output_norm(), hidden_);
}

void GradientPass::attention_forward(Index l) {
  const LayerWeights& w = model_.layer(l);
  Tape& tape = tapes_[static_cast<std::size_t>(l)];
  auto& keys = entries_.keys[static_cast<std::size_t>(l)];
  copy(x_, tape.input, config_.width, pool_);
  normed(x_, w.attention_norm, in_);
  auto& values = entries_.values[static_cast<std::size_t>(l)];
  if (goes_on(l))
    multiply_all(in_, {{&w.query, w.query_bias, &tape.query},
                       {&w.key, w.key_bias, &keys},
                       {&w.value, w.value_bias, &values}});
  else
    multiply_all(in_, {{&w.key, w.key_bias, &keys}, {&w.value, w.value_bias, &values}});
  if (!w.key_norm.empty()) tape.raw_key = keys;
  shape_heads(keys, config_.kv_heads, w.key_norm);
  rotate(l, keys, config_.kv_heads, false);
  if (!goes_on(l)) return;
  if (!w.query_norm.empty()) tape.raw_query = tape.query;
  shape_heads(tape.query, config_.query_heads, w.query_norm);
  rotate(l, tape.query, config_.query_heads, false);
  tape.attended.resize(tape.query.size());
  tape.log_sums.resize(static_cast<std::size_t>(rows_ * config_.query_heads));
  attend_rows(attention_shape(l), attention_rows(l), tape.attended, tape.log_sums, pool_);
  multiply_all(tape.attended, {{&w.output, {}, &branch_}});
  if (!w.post_attention_norm.empty()) {
    tape.raw_branch = branch_;
    normed(tape.raw_branch, w.post_attention_norm, branch_);
  }
  add(branch_, x_, config_.width, pool_);
  copy(x_, tape.middle, config_.width, pool_);
}

void GradientPass::ffn_forward(Index l) {
  const LayerWeights& w = model_.layer(l);
  Tape& tape = tapes_[static_cast<std::size_t>(l)];
  normed(x_, w.ffn_norm, in_);
  multiply_all(in_, {{&w.gate, {}, &tape.gate}, {&w.up, {}, &tape.up}});
  gated_.resize(tape.gate.size());
  const auto activate = config_.activation == Activation::silu ? vector_kernels().silu_mul
                                                               : vector_kernels().gelu_tanh_mul;
  const Index hidden = config_.hidden;
  each_row(rows_, pool_, [&](Index r) {
    activate(tape.gate.data() + r * hidden, tape.up.data() + r * hidden, hidden,
             gated_.data() + r * hidden);
  });
  multiply_all(gated_, {{&w.down, {}, &branch_}});
  if (!w.post_ffn_norm.empty()) {
    tape.raw_ffn = branch_;
    normed(tape.raw_ffn, w.post_ffn_norm, branch_);
  }
  add(branch_, x_, config_.width, pool_);
}

namespace {

// dx += the gradient through a norm of rows.
void norm_backward(std::span<const float> x, std::span<const float> weight,
                   std::span<const float> dy, float eps, std::span<float> dx, ThreadPool& pool) {
  const Index width = static_cast<Index>(weight.size());
  each_row(static_cast<Index>(x.size()) / width, pool, [&](Index r) {
    rms_norm_backward(x.data() + r * width, weight.data(), dy.data() + r * width, eps, width,
                      dx.data() + r * width);
  });
}

}  // namespace

std::span<const float> GradientPass::backward(const RowEntries& entries,
                                              std::span<const float> hidden,
                                              const BackwardExtras& extras) {
  dx_.assign(static_cast<std::size_t>(rows_ * config_.width), 0.0f);
  if (!hidden.empty())
    norm_backward(x_, model_.output_norm(), hidden, config_.norm_eps, dx_, pool_);
  if (!extras.stream.empty()) add(extras.stream, dx_, config_.width, pool_);
  if (extras.past) {
    extras.past->resize(past_.size());
    for (std::size_t lane = 0; lane < past_.size(); ++lane) {
      (*extras.past)[lane].keys.assign(past_[lane].keys.size(), 0.0f);
      (*extras.past)[lane].values.assign(past_[lane].values.size(), 0.0f);
    }
  }
  for (Index l = layers_ - 1; l >= 0; --l) {
    if (goes_on(l)) ffn_backward(l);
    if (extras.on_middle) extras.on_middle(l, dx_);
    attention_backward(l, entries, extras.past);
  }
  return dx_;
}

// The gradient of what a block adds to the stream, before its post norm.
std::span<const float> GradientPass::through_post_norm(std::span<const float> raw,
                                                       std::span<const float> norm) {
  if (norm.empty()) return dx_;
  branch_.assign(dx_.size(), 0.0f);
  norm_backward(raw, norm, dx_, config_.norm_eps, branch_, pool_);
  return branch_;
}

void GradientPass::ffn_backward(Index l) {
  const LayerWeights& w = model_.layer(l);
  const Tape& tape = tapes_[static_cast<std::size_t>(l)];
  const Index hidden = config_.hidden;
  back_through(through_post_norm(tape.raw_ffn, w.post_ffn_norm), w.down, gated_);
  dgate_.resize(gated_.size());
  dup_.resize(gated_.size());
  each_row(rows_, pool_, [&](Index r) {
    gated_backward(config_.activation, tape.gate.data() + r * hidden, tape.up.data() + r * hidden,
                   gated_.data() + r * hidden, hidden, dgate_.data() + r * hidden,
                   dup_.data() + r * hidden);
  });
  back_through(dgate_, w.gate, in_);
  back_through(dup_, w.up, in_, true);
  norm_backward(tape.middle, w.ffn_norm, in_, config_.norm_eps, dx_, pool_);
}

void GradientPass::attention_backward(Index l, const RowEntries& entries, PastGradients* past) {
  const LayerWeights& w = model_.layer(l);
  const Tape& tape = tapes_[static_cast<std::size_t>(l)];
  const auto given = [&](const std::vector<std::vector<float>>& layers) {
    const Index size = rows_ * config_.kv_heads * config_.head_dim;
    const auto at = static_cast<std::size_t>(l);
    return at < layers.size() && !layers[at].empty() ? layers[at] : zeros(size);
  };
  std::vector<float> dkeys = given(entries.keys), dvalues = given(entries.values);
  std::span<float> dqueries;
  if (goes_on(l)) {
    back_through(through_post_norm(tape.raw_branch, w.post_attention_norm), w.output, dattended_);
    dqueries_.resize(tape.query.size());
    dqueries = dqueries_;
    AttentionGradients gradients{dqueries, dkeys, dvalues, {}};
    if (past)
      gradients.past = std::span(*past).subspan(static_cast<std::size_t>(l * config_.kv_heads),
                                                static_cast<std::size_t>(config_.kv_heads));
    attend_rows_backward(attention_shape(l), attention_rows(l), tape.attended, tape.log_sums,
                         dattended_, gradients, pool_);
  }
  keys_backward(l, dkeys, dvalues, dqueries);
}

// From gradients of rotated queries and keys, and of values, to that of the layer's input.
void GradientPass::keys_backward(Index l, std::span<float> dkeys, std::span<float> dvalues,
                                 std::span<float> dqueries) {
  const LayerWeights& w = model_.layer(l);
  const Tape& tape = tapes_[static_cast<std::size_t>(l)];
  rotate(l, dkeys, config_.kv_heads, true);
  unshape_heads(dkeys, tape.raw_key, config_.kv_heads, w.key_norm);
  back_through(dkeys, w.key, in_);
  back_through(dvalues, w.value, in_, true);
  if (!dqueries.empty()) {
    rotate(l, dqueries, config_.query_heads, true);
    unshape_heads(dqueries, tape.raw_query, config_.query_heads, w.query_norm);
    back_through(dqueries, w.query, in_, true);
  }
  norm_backward(tape.input, w.attention_norm, in_, config_.norm_eps, dx_, pool_);
}

Index GradientPass::bytes_per_row() const {
  Index floats = 0;
  for (const Tape& tape : tapes_)
    for (const auto* kept :
         {&tape.input, &tape.raw_query, &tape.raw_key, &tape.query, &tape.attended, &tape.log_sums,
          &tape.raw_branch, &tape.raw_ffn, &tape.middle, &tape.gate, &tape.up})
      floats += static_cast<Index>(kept->size());
  for (const auto& layer : entries_.keys) floats += 2 * static_cast<Index>(layer.size());
  return rows_ == 0 ? 0 : 4 * floats / rows_;
}

}  // namespace pith
