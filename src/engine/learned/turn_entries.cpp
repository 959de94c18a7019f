#include "engine/learned/turn_entries.h"

namespace pith {

TurnEntries read_turn(const cache::Cache& cache, Index tokens) {
  const cache::Shape& shape = cache.shape();
  const Index D = shape.head_dim, H = shape.kv_heads;
  TurnEntries out;
  for (Index layer = 0; layer < shape.layers; ++layer) {
    auto& keys = out.rows.keys.emplace_back(static_cast<std::size_t>(tokens * H * D));
    auto& values = out.rows.values.emplace_back(keys.size());
    for (Index head = 0; head < H; ++head) {
      const Index lane = shape.lane(layer, head), n = cache.size(lane), before = n - tokens;
      PastLane past;
      past.keys.resize(static_cast<std::size_t>(n * D));
      past.values.resize(past.keys.size());
      cache.read_keys(lane, past.keys);
      cache.read_values(lane, past.values);
      for (Index t = 0; t < tokens; ++t)
        for (Index i = 0; i < D; ++i) {
          const auto to = static_cast<std::size_t>((t * H + head) * D + i),
                     from = static_cast<std::size_t>((before + t) * D + i);
          keys[to] = past.keys[from];
          values[to] = past.values[from];
        }
      past.keys.resize(static_cast<std::size_t>(before * D));
      past.values.resize(past.keys.size());
      const auto info = cache.read_info(lane);
      for (Index j = 0; j < before; ++j) {
        past.log_weights.push_back(info[static_cast<std::size_t>(j)].log_weight);
        past.positions.push_back(info[static_cast<std::size_t>(j)].position);
      }
      out.past.push_back(std::move(past));
    }
  }
  return out;
}

}  // namespace pith
