#include "recipe/scene.h"

#include <algorithm>
#include <numeric>

namespace pith::recipe {

Index Selection::size() const {
  Index n = 0;
  for (const auto& lane : keep) n += std::ssize(lane);
  return n;
}

Scene::Scene(const cache::Cache& cache, const Signals& signals, ThreadPool* pool,
             ModelAccess* model)
    : cache_(cache), signals_(signals), pool_(pool), model_(model) {
  for (Index lane = 0; lane < shape().lanes(); ++lane) {
    info_.push_back(cache.read_info(lane));
    if (!compressible(lane)) continue;
    lanes_.push_back(lane);
    if (lane % shape().kv_heads == 0) layers_.push_back(lane / shape().kv_heads);
  }
}

void Scene::limit(LayerRange range) {
  const auto outside = [&](Index layer) { return layer < range.first || layer >= range.last; };
  std::erase_if(layers_, outside);
  std::erase_if(lanes_, [&](Index lane) { return outside(lane / shape().kv_heads); });
}

std::vector<float> Scene::keys(Index lane) const {
  std::vector<float> out(static_cast<std::size_t>(size(lane) * shape().head_dim));
  cache_.read_keys(lane, out);
  return out;
}

std::vector<float> Scene::values(Index lane) const {
  std::vector<float> out(static_cast<std::size_t>(size(lane) * shape().head_dim));
  cache_.read_values(lane, out);
  return out;
}

Index Scene::present() const {
  Index n = 0;
  for (Index lane : lanes_) n += size(lane);
  return n;
}

std::vector<std::int32_t> Scene::by_position(Index lane) const {
  std::vector<std::int32_t> order(info_[lane].size());
  std::iota(order.begin(), order.end(), 0);
  const auto before = [&](std::int32_t a, std::int32_t b) {
    const float first = info_[lane][a].position, second = info_[lane][b].position;
    return first != second ? first < second : a < b;
  };
  if (!std::is_sorted(order.begin(), order.end(), before))
    std::sort(order.begin(), order.end(), before);
  return order;
}

std::vector<float> Scene::by_entry(Index lane, std::span<const float> by_token) const {
  std::vector<float> out;
  out.reserve(info_[lane].size());
  for (const cache::EntryInfo& entry : info_[lane]) {
    const auto span = by_token.subspan(static_cast<std::size_t>(entry.span.begin),
                                       static_cast<std::size_t>(entry.span.end - entry.span.begin));
    const float sum = std::accumulate(span.begin(), span.end(), 0.0f);
    out.push_back(span.size() > 1 ? sum / static_cast<float>(span.size()) : sum);
  }
  return out;
}

void Scene::parallel(Index items, LoopBody body) const {
  if (pool_ != nullptr) return pool_->run(items, body);
  for (Index i = 0; i < items; ++i) body(i, 0);
}

}  // namespace pith::recipe
