#include "cli/bench_report.h"

#include <algorithm>

#include "cli/options.h"
#include "cli/output.h"
#include "cli/process.h"
#include "kernels/ceilings.h"

namespace pith::cli {
namespace {

Json speed_json(const Speed& speed) {
  return speed.runs.empty() ? Json(nullptr) : Json(speed.median());
}

// Decoding reads every weight and the whole cache once per token, so memory sets a bound that no
// kernel can pass.
double decode_bound(const BenchResult& result, const Engine& engine, const Ceilings& ceilings) {
  const Index bytes = engine.model().decode_bytes() + result.cache_bytes;
  return ceilings.read_gb_per_s * 1e9 / static_cast<double>(bytes);
}

void put_ceilings(const BenchResult& result, const Engine& engine, const Ceilings& ceilings) {
  print("machine: reads {:.1f} GB/s; f32 {:.0f} GFLOP/s, bf16 {}, int8 {:.0f} GOP/s\n",
        ceilings.read_gb_per_s, ceilings.f32_gflop_per_s,
        ceilings.bf16_gflop_per_s > 0 ? fmt::format("{:.0f} GFLOP/s", ceilings.bf16_gflop_per_s)
                                      : "none",
        ceilings.int8_gop_per_s);
  if (result.decode.runs.empty()) return;
  const double bound = decode_bound(result, engine, ceilings);
  print("decoding reads {} of weights and {} per token: at most {:.1f} tok/s, {:.0f} % reached\n",
        human_bytes(engine.model().decode_bytes()),
        result.depth > 0 ? fmt::format("{} of cache", human_bytes(result.cache_bytes))
                         : "a cache that begins empty",
        bound, 100 * result.decode.median() / bound);
}

Json ceilings_json(const BenchResult& result, const Engine& engine, const Ceilings& ceilings) {
  return {{"read_gb_per_s", ceilings.read_gb_per_s},
          {"f32_gflop_per_s", ceilings.f32_gflop_per_s},
          {"bf16_gflop_per_s", ceilings.bf16_gflop_per_s},
          {"int8_gop_per_s", ceilings.int8_gop_per_s},
          {"decode_tok_s", decode_bound(result, engine, ceilings)}};
}

// A step as a multiple of its least work, twice that of a prefill, at the prefill's rate.
double gradient_cost(const BenchResult& result) {
  return result.prefill.median() / 2 / result.gradient.median();
}

void put_text(const BenchResult& result, Engine& engine) {
  print("{}: {}, {}, {}\n", engine.config().name, numerics_name(engine), isa_name(),
        counted(engine.pool().size(), "thread"));
  if (result.depth > 0) {
    print(
        "cache before the timed steps: {} tokens, recipe {}, {} entries per lane, {} ({}), full "
        "bf16 {}\n",
        human_count(result.depth), result.recipe, human_count(result.entries / result.lanes),
        human_bytes(result.cache_bytes), result.stored_as, human_bytes(result.full_bytes));
    print("reading it: {} s, replay {} s, compression {} s\n",
          human_seconds(result.depth_read_seconds), human_seconds(result.replay_seconds),
          human_seconds(result.compress_seconds));
  }
  Table table;
  table.add_column("", Table::Align::left);
  for (const char* title : {"tokens", "median tok/s", "best tok/s", "runs"})
    table.add_column(title);
  const auto add = [&](const char* name, Index tokens, const Speed& speed) {
    if (speed.runs.empty()) return;
    table.add_row({name, human_count(tokens), fmt::format("{:.1f}", speed.median()),
                   fmt::format("{:.1f}", speed.best()), std::to_string(speed.runs.size())});
  };
  add("prefill_tok_s", result.prompt, result.prefill);
  add("decode_tok_s", result.generate, result.decode);
  add("gradient_tok_s", result.gradient_rows, result.gradient);
  put("\n" + table.to_string());
  if (!result.gradient.runs.empty() && !result.prefill.runs.empty())
    print(
        "\na gradient step takes {:.2f} times what 4 FLOP a weight and row take at the rate of the "
        "prefill\n",
        gradient_cost(result));
  print("\nprocess: {} at its peak\n", human_bytes(memory_usage().peak));
}

Json result_json(const BenchResult& result, Engine& engine) {
  Json json;
  json["model"] = result.model;
  json["model_name"] = engine.config().name;
  json["prompt"] = result.prompt;
  json["generate"] = result.generate;
  json["depth"] = result.depth;
  json["recipe"] = result.recipe;
  json["prefill_tok_s"] = speed_json(result.prefill);
  json["decode_tok_s"] = speed_json(result.decode);
  json["prefill_runs"] = result.prefill.runs;
  json["decode_runs"] = result.decode.runs;
  json["gradient_rows"] = result.gradient_rows;
  json["gradient_tok_s"] = speed_json(result.gradient);
  json["gradient_runs"] = result.gradient.runs;
  json["depth_read_s"] = result.depth_read_seconds;
  json["replay_s"] = result.replay_seconds;
  json["compress_s"] = result.compress_seconds;
  json["entries"] = result.entries;
  json["lanes"] = result.lanes;
  json["cache_bytes"] = result.cache_bytes;
  json["cache_type"] = result.stored_as;
  json["full_bytes"] = result.full_bytes;
  json["peak_bytes"] = result.peak_bytes;
  json["weight_bytes"] = engine.model().weight_bytes();
  json["peak_rss_bytes"] = memory_usage().peak;
  json["threads"] = engine.pool().size();
  json["numerics"] = numerics_name(engine);
  json["isa"] = isa_name();
  return json;
}

}  // namespace

double Speed::best() const {
  return runs.empty() ? 0 : *std::max_element(runs.begin(), runs.end());
}

double Speed::median() const {
  if (runs.empty()) return 0;
  std::vector<double> sorted = runs;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

void put_bench(const BenchResult& result, Engine& engine, bool ceilings, bool json) {
  if (json) {
    Json all = result_json(result, engine);
    if (ceilings) all["ceilings"] = ceilings_json(result, engine, measure_ceilings(engine.pool()));
    put_json(all);
    return;
  }
  put_text(result, engine);
  if (ceilings) put_ceilings(result, engine, measure_ceilings(engine.pool()));
}

}  // namespace pith::cli
