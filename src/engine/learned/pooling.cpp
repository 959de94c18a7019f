#include "engine/learned/pooling.h"

#include <algorithm>
#include <cmath>

namespace pith {
namespace {

// torch.linspace in f32: from the left in its first half, from the right in its second.
std::vector<float> linspace(float first, float last, Index count) {
  std::vector<float> out(static_cast<std::size_t>(count), first);
  if (count < 2) return out;
  const float step = (last - first) / static_cast<float>(count - 1);
  for (Index i = 0; i < count; ++i)
    out[static_cast<std::size_t>(i)] = i < count / 2
                                           ? first + step * static_cast<float>(i)
                                           : last - step * static_cast<float>(count - 1 - i);
  return out;
}

}  // namespace

Index virtual_count(Index tokens, double ratio) {
  const auto rounded = static_cast<Index>(std::nearbyint(static_cast<double>(tokens) / ratio));
  return std::clamp<Index>(rounded, 1, std::max<Index>(tokens, 1));
}

Index virtual_steps(Index tokens, Index per_250, Index least) {
  const double steps = static_cast<double>(per_250 * tokens) / 250.0;
  return std::max(static_cast<Index>(std::nearbyint(steps)), least);
}

std::vector<TokenRange> even_chunks(Index tokens, Index count) {
  const std::vector<float> borders = linspace(0, static_cast<float>(tokens), count + 1);
  std::vector<TokenRange> chunks;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const auto begin = static_cast<Index>(borders[i]);
    chunks.push_back({begin, std::max(static_cast<Index>(borders[i + 1]), begin + 1)});
  }
  return chunks;
}

std::vector<TokenRange> equal_surprisal_chunks(std::span<const float> surprisal, Index count) {
  const auto tokens = static_cast<Index>(surprisal.size());
  double total = 0;
  for (float s : surprisal) total += double{s};
  std::vector<TokenRange> chunks;
  Index begin = 0;
  double sum = 0;
  for (Index i = 0; i < count; ++i) {
    const Index last = tokens - (count - 1 - i);  // leaves a token for each chunk behind
    const double goal = total * static_cast<double>(i + 1) / static_cast<double>(count);
    Index end = begin;
    do sum += double{surprisal[static_cast<std::size_t>(end++)]};
    while (end < last && (i + 1 == count || sum < goal));
    chunks.push_back({begin, end});
    begin = end;
  }
  return chunks;
}

std::vector<Index> interpolated_positions(Index first, Index last, Index count) {
  std::vector<Index> positions;
  for (float p : linspace(static_cast<float>(first), static_cast<float>(last), count))
    positions.push_back(static_cast<Index>(std::nearbyint(p)));
  return positions;
}

std::vector<float> surprisal_weights(std::span<const float> surprisal) {
  std::vector<float> weights(surprisal.begin(), surprisal.end());
  const float top = *std::max_element(weights.begin(), weights.end());
  float sum = 0;
  for (float& w : weights) sum += w = std::exp(w - top);
  for (float& w : weights) w /= sum;
  return weights;
}

std::vector<float> pooled(std::span<const float> rows, Index width, TokenRange chunk,
                          std::span<const float> weights) {
  std::vector<float> out(static_cast<std::size_t>(width));
  for (Index t = chunk.begin; t < chunk.end; ++t)
    for (Index i = 0; i < width; ++i)
      out[static_cast<std::size_t>(i)] += weights[static_cast<std::size_t>(t - chunk.begin)] *
                                          rows[static_cast<std::size_t>(t * width + i)];
  return out;
}

}  // namespace pith
