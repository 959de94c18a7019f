#include "recipe/routing.h"

#include <algorithm>
#include <numeric>

#include "base/rng.h"
#include "recipe/parts/parts.h"
#include "recipe/window_attention.h"

namespace pith::recipe {
namespace {

constexpr Index kSinks = 4;

// Tokens before this one are routed nowhere.
Index first_routed(const Scene& scene) { return std::max(kSinks, scene.signals().prefix_tokens); }

// What the question's tokens pay to each source token in one layer, normalised to sum 1.
std::vector<double> token_terms(const Scene& scene, Index layer) {
  std::vector<double> terms(static_cast<std::size_t>(scene.signals().tokens));
  const Index heads = scene.shape().kv_heads;
  for (Index lane = layer * heads; lane < (layer + 1) * heads; ++lane) {
    const std::vector<float> columns = attention_columns(scene, lane, question_probe(scene, layer));
    for (Index j = 0; j < scene.size(lane); ++j) {
      const Index token = token_of(scene.info(lane)[j]);
      if (token < first_routed(scene)) continue;
      for (Index g = 0; g < scene.group(); ++g) terms[token] += columns[g * scene.size(lane) + j];
    }
  }
  const double total = std::reduce(terms.begin(), terms.end());
  if (total > 0)
    for (double& term : terms) term /= total;
  return terms;
}

// Mean over question tokens and query heads of s q . mean key, per chunk, in one layer.
std::vector<double> summary_terms(const Scene& scene, const std::vector<Chunk>& chunks,
                                  Index layer) {
  const Index heads = scene.shape().kv_heads, depth = scene.shape().head_dim;
  const Index rows = scene.signals().question_tokens * scene.group();
  std::vector<double> terms(chunks.size());
  for (Index head = 0; head < heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    const std::vector<float> keys = scene.keys(lane);
    std::vector<float> query(static_cast<std::size_t>(depth));  // the mean of all rows: q is linear
    const float* q = scene.layer(layer).question_queries.data() + head * rows * depth;
    for (Index i = 0; i < rows * depth; ++i) query[i % depth] += q[i] / static_cast<float>(rows);
    std::vector<double> sum(chunks.size());
    std::vector<Index> count(chunks.size());
    for (Index j = 0; j < scene.size(lane); ++j) {
      const Index token = token_of(scene.info(lane)[j]);
      if (token < first_routed(scene)) continue;
      const auto chunk = std::upper_bound(chunks.begin(), chunks.end(), token,
                                          [](Index t, const Chunk& c) { return t < c.end; });
      sum[chunk - chunks.begin()] += dot(query.data(), keys.data() + j * depth, depth);
      ++count[chunk - chunks.begin()];
    }
    for (std::size_t c = 0; c < chunks.size(); ++c)
      if (count[c] > 0)
        terms[c] += scene.signals().attention_scale * sum[c] / static_cast<double>(count[c]);
  }
  return terms;
}

}  // namespace

std::vector<float> route_scores(const Scene& scene, const std::vector<Chunk>& chunks,
                                std::string_view router, std::span<const Index> layers) {
  std::vector<std::vector<double>> terms(layers.size());
  scene.parallel(std::ssize(layers), [&](Index i, int) {
    terms[i] =
        router == "B" ? summary_terms(scene, chunks, layers[i]) : token_terms(scene, layers[i]);
  });
  for (std::size_t i = 1; i < terms.size(); ++i)
    for (std::size_t j = 0; j < terms[0].size(); ++j) terms[0][j] += terms[i][j];
  std::vector<float> out(chunks.size(), kNever);
  for (std::size_t c = 0; c < chunks.size(); ++c) {
    if (chunks[c].end <= first_routed(scene)) continue;
    const auto tokens = std::span(terms[0]);
    if (router == "B") {
      out[c] = static_cast<float>(tokens[c]);
    } else {
      const auto own = tokens.subspan(static_cast<std::size_t>(chunks[c].begin),
                                      static_cast<std::size_t>(chunks[c].end - chunks[c].begin));
      out[c] = static_cast<float>(router == "A" ? std::reduce(own.begin(), own.end())
                                                : *std::max_element(own.begin(), own.end()));
    }
  }
  return out;
}

std::vector<float> random_routes(const Scene& scene, const std::vector<Chunk>& chunks,
                                 std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> out;
  for (const Chunk& chunk : chunks) {
    const float number = static_cast<float>(rng.uniform());
    out.push_back(chunk.end <= first_routed(scene) ? kNever : number);
  }
  return out;
}

}  // namespace pith::recipe
