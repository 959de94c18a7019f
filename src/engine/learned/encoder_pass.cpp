#include "engine/learned/encoder_pass.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "model/gradient_ops.h"

namespace pith {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
constexpr float kEpsilon = 1e-6f;
constexpr float kNats = 0.25f;  // surprisals reach some 16 nats; the network sees a quarter

// Places of a layer's arrays behind its first, and of the others in encoder_arrays().
enum : std::size_t { kInput, kSurprisal, kFront, kBack, kLayers };
enum : std::size_t {
  kAttentionNorm,
  kQuery,
  kKey,
  kValue,
  kDistance,
  kAttentionOutput,
  kFfnNorm,
  kUp,
  kDown,
  kPerLayer
};
enum : std::size_t { kNorm, kPoolingQuery, kOutput };  // behind the layers

template <typename Row>
float inverse_norm(const Row& row) {
  return 1 / std::sqrt(row.squaredNorm() / static_cast<float>(row.size()) + kEpsilon);
}

Matrix normed(const Matrix& x, const Eigen::Ref<const Matrix>& weight) {
  Matrix out = x;
  for (Index t = 0; t < x.rows(); ++t)
    out.row(t) = inverse_norm(x.row(t)) * x.row(t).cwiseProduct(weight.row(0));
  return out;
}

// Adds to the gradients of a norm's input and weight.
void normed_backward(const Matrix& x, const Eigen::Ref<const Matrix>& weight, const Matrix& dy,
                     Matrix& dx, Eigen::Ref<Matrix> dweight) {
  for (Index t = 0; t < x.rows(); ++t) {
    dweight.row(0) += inverse_norm(x.row(t)) * dy.row(t).cwiseProduct(x.row(t));
    rms_norm_backward(x.row(t).data(), weight.data(), dy.row(t).data(), kEpsilon, x.cols(),
                      dx.row(t).data());
  }
}

Index place(Index from, Index places) { return std::min(from, places - 1); }

}  // namespace

std::function<std::vector<float>(const TurnRows&)> starts_of(
    std::shared_ptr<const Encoder> encoder) {
  return [encoder = std::move(encoder)](const TurnRows& rows) {
    return EncoderPass(encoder->weights).forward(rows);
  };
}

EncoderPass::EncoderPass(const EncoderWeights& weights)
    : weights_(weights),
      shape_(weights.shape),
      arrays_(encoder_arrays(weights.shape)),
      layers_(static_cast<std::size_t>(weights.shape.layers)) {}

EncoderPass::ConstMap EncoderPass::array(std::size_t index) const {
  const EncoderArray& a = arrays_[index];
  return {weights_.values.data() + a.offset, a.rows, a.cols};
}

Eigen::Map<Matrix> EncoderPass::array_of(std::span<float> gradient, std::size_t index) const {
  const EncoderArray& a = arrays_[index];
  return {gradient.data() + a.offset, a.rows, a.cols};
}

std::size_t EncoderPass::of_layer(std::size_t l, std::size_t which) const {
  return kLayers + l * kPerLayer + which;  // l = layers: the arrays behind them
}

std::vector<float> EncoderPass::forward(const TurnRows& turn) {
  rows_ = ConstMap(turn.embeddings.data(), std::ssize(turn.surprisal), shape_.embedding);
  surprisal_.assign(turn.surprisal.begin(), turn.surprisal.end());
  chunks_.assign(turn.chunks.begin(), turn.chunks.end());
  embed();
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    attention_forward(l);
    ffn_forward(l);
  }
  final_ = normed(stream_, array(of_layer(layers_.size(), kNorm)));
  return pool();
}

void EncoderPass::backward(std::span<const float> dstarts, std::span<float> gradient) {
  const Matrix dfinal = pool_backward(dstarts, gradient);
  const std::size_t norm = of_layer(layers_.size(), kNorm);
  Matrix dx = Matrix::Zero(stream_.rows(), stream_.cols());
  normed_backward(stream_, array(norm), dfinal, dx, array_of(gradient, norm));
  for (std::size_t l = layers_.size(); l-- > 0;) {
    ffn_backward(l, dx, gradient);
    attention_backward(l, dx, gradient);
  }
  embed_backward(dx, gradient);
}

void EncoderPass::embed() {
  inputs_ = rows_;
  for (Index t = 0; t < rows_.rows(); ++t) inputs_.row(t) *= inverse_norm(inputs_.row(t));
  stream_.noalias() = inputs_ * array(kInput).transpose();
  for (const TokenRange& chunk : chunks_)
    for (Index t = chunk.begin; t < chunk.end; ++t)
      stream_.row(t) += kNats * surprisal_[static_cast<std::size_t>(t)] * array(kSurprisal).row(0) +
                        array(kFront).row(place(t - chunk.begin, shape_.places)) +
                        array(kBack).row(place(chunk.end - 1 - t, shape_.places));
}

void EncoderPass::embed_backward(const Matrix& dx, std::span<float> gradient) const {
  array_of(gradient, kInput).noalias() += dx.transpose() * inputs_;
  for (const TokenRange& chunk : chunks_)
    for (Index t = chunk.begin; t < chunk.end; ++t) {
      array_of(gradient, kSurprisal).row(0) +=
          kNats * surprisal_[static_cast<std::size_t>(t)] * dx.row(t);
      array_of(gradient, kFront).row(place(t - chunk.begin, shape_.places)) += dx.row(t);
      array_of(gradient, kBack).row(place(chunk.end - 1 - t, shape_.places)) += dx.row(t);
    }
}

// Tokens look at all tokens within reach, on both sides; logits have a learned bias by distance.
void EncoderPass::attention_forward(std::size_t l) {
  Layer& layer = layers_[l];
  layer.input = stream_;
  layer.normed = normed(stream_, array(of_layer(l, kAttentionNorm)));
  layer.query.noalias() = layer.normed * array(of_layer(l, kQuery)).transpose();
  layer.key.noalias() = layer.normed * array(of_layer(l, kKey)).transpose();
  layer.value.noalias() = layer.normed * array(of_layer(l, kValue)).transpose();
  const Index N = stream_.rows(), D = shape_.width / shape_.heads, R = shape_.reach;
  const float scale = 1 / std::sqrt(static_cast<float>(D));
  layer.attended = Matrix::Zero(N, shape_.width);
  layer.shares.assign(static_cast<std::size_t>(shape_.heads), Matrix::Zero(N, 2 * R + 1));
  for (Index h = 0; h < shape_.heads; ++h) {
    Matrix& shares = layer.shares[static_cast<std::size_t>(h)];
    for (Index t = 0; t < N; ++t) {
      const Index first = std::max<Index>(t - R, 0), last = std::min(t + R, N - 1);
      auto row = shares.row(t).segment(first - t + R, last - first + 1);
      for (Index u = first; u <= last; ++u)
        row(u - first) =
            scale * layer.query.row(t).segment(h * D, D).dot(layer.key.row(u).segment(h * D, D)) +
            array(of_layer(l, kDistance))(h, u - t + R);
      row = (row.array() - row.maxCoeff()).exp().matrix();
      row /= row.sum();
      for (Index u = first; u <= last; ++u)
        layer.attended.row(t).segment(h * D, D) +=
            row(u - first) * layer.value.row(u).segment(h * D, D);
    }
  }
  stream_.noalias() += layer.attended * array(of_layer(l, kAttentionOutput)).transpose();
}

void EncoderPass::attention_backward(std::size_t l, Matrix& dx, std::span<float> gradient) const {
  const Layer& layer = layers_[l];
  const Index N = dx.rows(), D = shape_.width / shape_.heads, R = shape_.reach;
  const float scale = 1 / std::sqrt(static_cast<float>(D));
  array_of(gradient, of_layer(l, kAttentionOutput)).noalias() += dx.transpose() * layer.attended;
  const Matrix dattended = dx * array(of_layer(l, kAttentionOutput));
  Matrix dquery = Matrix::Zero(N, shape_.width), dkey = dquery, dvalue = dquery;
  auto ddistance = array_of(gradient, of_layer(l, kDistance));
  for (Index h = 0; h < shape_.heads; ++h) {
    const Matrix& shares = layer.shares[static_cast<std::size_t>(h)];
    for (Index t = 0; t < N; ++t) {
      const Index first = std::max<Index>(t - R, 0), last = std::min(t + R, N - 1);
      const auto dout = dattended.row(t).segment(h * D, D);
      // Of a softmax: dlogit_u = share_u (dshare_u - sum_v share_v dshare_v), the sum is dout .
      // out.
      const float along = dout.dot(layer.attended.row(t).segment(h * D, D));
      for (Index u = first; u <= last; ++u) {
        const float share = shares(t, u - t + R);
        const float dlogit = share * (dout.dot(layer.value.row(u).segment(h * D, D)) - along);
        dvalue.row(u).segment(h * D, D) += share * dout;
        dquery.row(t).segment(h * D, D) += scale * dlogit * layer.key.row(u).segment(h * D, D);
        dkey.row(u).segment(h * D, D) += scale * dlogit * layer.query.row(t).segment(h * D, D);
        ddistance(h, u - t + R) += dlogit;
      }
    }
  }
  Matrix dnormed = Matrix::Zero(N, shape_.width);
  const auto through = [&](std::size_t which, const Matrix& dy) {
    array_of(gradient, of_layer(l, which)).noalias() += dy.transpose() * layer.normed;
    dnormed.noalias() += dy * array(of_layer(l, which));
  };
  through(kQuery, dquery);
  through(kKey, dkey);
  through(kValue, dvalue);
  const std::size_t norm = of_layer(l, kAttentionNorm);
  normed_backward(layer.input, array(norm), dnormed, dx, array_of(gradient, norm));
}

void EncoderPass::ffn_forward(std::size_t l) {
  Layer& layer = layers_[l];
  layer.middle = stream_;
  layer.normed2 = normed(stream_, array(of_layer(l, kFfnNorm)));
  layer.up.noalias() = layer.normed2 * array(of_layer(l, kUp)).transpose();
  layer.active = layer.up.unaryExpr([](float x) { return x / (1 + std::exp(-x)); });
  stream_.noalias() += layer.active * array(of_layer(l, kDown)).transpose();
}

void EncoderPass::ffn_backward(std::size_t l, Matrix& dx, std::span<float> gradient) const {
  const Layer& layer = layers_[l];
  array_of(gradient, of_layer(l, kDown)).noalias() += dx.transpose() * layer.active;
  Matrix dup = dx * array(of_layer(l, kDown));
  dup.array() *= layer.up.unaryExpr([](float x) { return silu_slope(x); }).array();
  array_of(gradient, of_layer(l, kUp)).noalias() += dup.transpose() * layer.normed2;
  const Matrix dnormed = dup * array(of_layer(l, kUp));
  const std::size_t norm = of_layer(l, kFfnNorm);
  normed_backward(layer.middle, array(norm), dnormed, dx, array_of(gradient, norm));
}

std::vector<float> EncoderPass::pool() {
  const auto count = static_cast<Index>(chunks_.size()), E = shape_.embedding;
  const auto query = array(of_layer(layers_.size(), kPoolingQuery));
  shares_.resize(surprisal_.size());
  pooled_ = Matrix::Zero(count, shape_.width);
  Matrix starts(count, E);
  for (Index c = 0; c < count; ++c) {
    const TokenRange& chunk = chunks_[static_cast<std::size_t>(c)];
    std::vector<float> shares;
    for (Index t = chunk.begin; t < chunk.end; ++t)
      shares.push_back(final_.row(t).dot(query.row(0)));
    shares = surprisal_weights(shares);  // a softmax
    for (Index t = chunk.begin; t < chunk.end; ++t) {
      const float share = shares[static_cast<std::size_t>(t - chunk.begin)];
      shares_[static_cast<std::size_t>(t)] = share;
      pooled_.row(c) += share * final_.row(t);
    }
    const auto mean =
        pith::pooled({rows_.data(), static_cast<std::size_t>(rows_.size())}, E, chunk, shares);
    starts.row(c) = ConstMap(mean.data(), 1, E);
  }
  starts.noalias() +=
      weights_.scale * pooled_ * array(of_layer(layers_.size(), kOutput)).transpose();
  return {starts.data(), starts.data() + starts.size()};
}

Matrix EncoderPass::pool_backward(std::span<const float> dstarts, std::span<float> gradient) {
  const auto count = static_cast<Index>(chunks_.size()), E = shape_.embedding;
  const std::size_t output = of_layer(layers_.size(), kOutput),
                    pooling = of_layer(layers_.size(), kPoolingQuery);
  const ConstMap dstart(dstarts.data(), count, E);
  array_of(gradient, output).noalias() += weights_.scale * dstart.transpose() * pooled_;
  const Matrix dpooled = weights_.scale * dstart * array(output);
  Matrix dfinal = Matrix::Zero(final_.rows(), final_.cols());
  for (Index c = 0; c < count; ++c) {
    const TokenRange& chunk = chunks_[static_cast<std::size_t>(c)];
    std::vector<float> dshares;
    float along = 0;
    for (Index t = chunk.begin; t < chunk.end; ++t) {
      dshares.push_back(dstart.row(c).dot(rows_.row(t)) + dpooled.row(c).dot(final_.row(t)));
      along += shares_[static_cast<std::size_t>(t)] * dshares.back();
    }
    for (Index t = chunk.begin; t < chunk.end; ++t) {
      const float share = shares_[static_cast<std::size_t>(t)];
      const float dlogit = share * (dshares[static_cast<std::size_t>(t - chunk.begin)] - along);
      dfinal.row(t) += share * dpooled.row(c) + dlogit * array(pooling).row(0);
      array_of(gradient, pooling).row(0) += dlogit * final_.row(t);
    }
  }
  return dfinal;
}

}  // namespace pith
