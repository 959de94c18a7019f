#include "cache/snapshot.h"
#include "cli/inspect.h"
#include "cli/output.h"

namespace pith::cli {
namespace {

struct LayerTotal {
  Index least = 0, most = 0, entries = 0;
  Index exact = 0, summaries = 0, virtuals = 0;
};

LayerTotal look(const cache::Cache& cache, Index layer) {
  LayerTotal total;
  for (Index head = 0; head < cache.shape().kv_heads; ++head) {
    const Index lane = cache.shape().lane(layer, head), n = cache.size(lane);
    total.least = head == 0 ? n : std::min(total.least, n);
    total.most = std::max(total.most, n);
    total.entries += n;
    for (const cache::EntryInfo& entry : cache.read_info(lane)) {
      total.exact += entry.kind == cache::EntryKind::exact ? 1 : 0;
      total.summaries += entry.kind == cache::EntryKind::summary ? 1 : 0;
      total.virtuals += entry.kind == cache::EntryKind::virtual_entry ? 1 : 0;
    }
  }
  return total;
}

}  // namespace

void inspect_snapshot(const std::filesystem::path& path, bool json) {
  const cache::Snapshot snapshot = cache::load(path);
  const cache::SnapshotInfo& info = snapshot.info;
  const cache::Cache& cache = snapshot.cache;
  const cache::Shape& shape = cache.shape();
  const cache::Bytes bytes = cache.bytes();
  const Index full = cache.full_bytes();
  const double ratio =
      bytes.total() > 0 ? static_cast<double>(full) / static_cast<double>(bytes.total()) : 0;
  Json layers = Json::array();
  Table table;
  for (const char* title :
       {"layer", "entries", "per lane, least", "most", "exact", "summary", "virtual"})
    table.add_column(title);
  for (Index layer = 0; layer < shape.layers; ++layer) {
    const LayerTotal total = look(cache, layer);
    layers.push_back({{"layer", layer},
                      {"entries", total.entries},
                      {"least", total.least},
                      {"most", total.most},
                      {"exact", total.exact},
                      {"summary", total.summaries},
                      {"virtual", total.virtuals}});
    table.add_row({std::to_string(layer), human_count(total.entries), human_count(total.least),
                   human_count(total.most), human_count(total.exact), human_count(total.summaries),
                   human_count(total.virtuals)});
  }
  if (json) {
    put_json({{"kind", "cache"},
              {"file", path.string()},
              {"version", info.version},
              {"model_name", info.model_name},
              {"model_hash", fmt::format("{:016x}", info.model_hash)},
              {"recipe", info.recipe},
              {"n_context_tokens", info.tokens.size()},
              {"next_position", info.next_position},
              {"entries", cache.entries()},
              {"lanes", shape.lanes()},
              {"kv_heads", shape.kv_heads},
              {"head_dim", shape.head_dim},
              {"cache_bytes", bytes.total()},
              {"full_bytes", full},
              {"ratio", ratio},
              {"layers", layers}});
    return;
  }
  print("{}: pith cache, version {}\n", path.string(), info.version);
  print("  model     {} (hash {:016x})\n", one_line(info.model_name), info.model_hash);
  print("  recipe    {}\n", info.recipe.empty() ? "none: the full cache" : one_line(info.recipe));
  print("  tokens    {} (the next one stands at {})\n", human_count(std::ssize(info.tokens)),
        human_count(info.next_position));
  print("  entries   {} in {} lanes of {} components\n", human_count(cache.entries()),
        shape.lanes(), shape.head_dim);
  print(
      "  bytes     {} = keys and values {} + columns {} + tables {}; full bf16 cache {}, "
      "{:.1f}x\n\n",
      human_bytes(bytes.total()), human_bytes(bytes.keys_values), human_bytes(bytes.columns),
      human_bytes(bytes.tables), human_bytes(full), ratio);
  put(table.to_string());
}

}  // namespace pith::cli
