#include "recipe/presets.h"

#include <algorithm>

namespace pith::recipe {
namespace {

const std::vector<PresetKey>& s0_keys() {
  static const std::vector<PresetKey> keys = {
      {"routes", "route", "chunks", {}},
      {"k", "route", "chunks", {}},
      {"r", "route", "retain", {}},
      {"exact_policy", "route", "exact", {}},
      {"route_scope", "route", "scope", {}},
      {"drop_summary_of_routed",
       "summary",
       "of_routed",
       {{"1", "drop"}, {"true", "drop"}, {"0", "keep"}, {"false", "keep"}}}};
  return keys;
}

std::vector<Preset> make_presets() {
  std::vector<Preset> all = {
      // kvpress' names
      {"streaming_llm",
       "recency + pins(sinks=4)",
       "four sinks and the newest tokens",
       {{"n_sink", "pins", "sinks", {}}}},
      {"pyramidkv", "snapkv + pyramid", "snapkv, early layers keep more", {}},
      {"chunkkv",
       "snapkv + chunk_mean",
       "snapkv by whole chunks of 20 tokens",
       {{"chunk_length", "chunk_mean", "chunk", {}}}},
      {"observed_attention",
       "attention(sum, normalise=true)",
       "mean attention received from the queries that could see the token (H2O-like)",
       {}},
      {"adakv_snapkv", "snapkv + adakv", "snapkv, heads of a layer compete", {}},
      {"adakv_expected_attention",
       "expected_attention + adakv",
       "expected attention, heads of a layer compete",
       {}},
      {"adakv_expected_attention_e2",
       "expected_attention(epsilon=0.01) + adakv",
       "the same with epsilon 0.01",
       {}},
      {"adakv_knorm", "knorm + adakv", "small keys, heads of a layer compete", {}},
      {"adakv_keydiff", "keydiff + adakv", "keydiff, heads of a layer compete", {}},
      {"adakv_observed_attention",
       "attention(sum, normalise=true) + adakv",
       "observed attention, heads of a layer compete",
       {}},
      {"chunk_expected_attention",
       "expected_attention + chunked",
       "expected attention, every stretch keeps its share (S1)",
       {}},
      {"key_rerotation_knorm", "knorm + rerotate(start)", "small keys, positions closed up", {}},
      {"criticalkv_snapkv", "snapkv + critical", "snapkv, half of it by the projected value", {}},
      {"critical_adakv_expected_attention",
       "expected_attention(vnorm=false) + critical + adakv",
       "expected attention, heads compete, half of each by the projected value",
       {}},
      {"defensivekv",
       "snapkv(window=32) + defensive(coverage=0.9) + adakv",
       "the worst case over the last queries, heads of a layer compete",
       {}},
      {"layer_defensivekv",
       "snapkv(window=32) + defensive(coverage=0.9) + global",
       "the worst case over the last queries, all lanes compete",
       {}},
      {"kvzip_layerwise", "kvzip + global(scope=layer)", "kvzip, layers keep equally many", {}},

      {"leverage_score", "leverage", "keys that the others do not span", {}},
      {"non_causal_attention",
       "non_causal",
       "attention inside chunks when later tokens may be seen",
       {{"chunk_size", "non_causal", "chunk", {}}}},
      {"adakv_compactor", "compactor + adakv", "compactor, heads of a layer compete", {}},
      {"qfilter", "qfilters", "keys along the main direction of the queries", {}},
      {"duo_attention_on_the_fly", "duo", "far-looking heads keep all", {}},
      {"simlayerkv", "simlayer + threshold", "lazy layers keep sinks and recent tokens only", {}},
      {"kvcompose_unstructured", "kvcompose + global", "kvcompose, lanes compete freely", {}},
      {"kvzap_linear",
       "kvzap(recent=128) + threshold",
       "what kvzap predicts to matter; the newest 128 tokens stay",
       {{"threshold", "threshold", "at", {}}}},

      // What pith's own measurements favour (docs/frontier.md).
      {"best",
       "kvzip_plus + global + match + int4(sinks=0, recent=0)",
       "a replay chooses, values are fitted, 4 bits",
       {}},
      {"finest",
       "kvgrad + global + match(references=1024) + int4(sinks=0, recent=0)",
       "best with gradients in its scores and four times the references: for 16x",
       {}},
      {"trained",
       "kvgrad + critical + global + learned(start=matched, steps=100, teacher=0, "
       "references=1024) + int4(sinks=0, recent=0)",
       "for 16x and 32x: what stays is fitted and then trained on the document itself; a minute "
       "per 1000 tokens of a 0.5b model",
       {}},
      {"fast",
       "expected_attention + curves + int4",
       "one pass: cheap scores under budgets that `pith calibrate` measured, 4 bits",
       {}},
      {"small",
       "kvzip_plus + global + merge + int4(sinks=0, recent=0)",
       "for a tenth of the bytes: a replay chooses, evicted values are merged, 4 bits",
       {}},

      // S0 and its arms. Those that name a budget below are compared at equal stored entries.
      {"summary_route", "attention(sum) + route + summary",
       "S0: summaries everywhere, routed chunks and important tokens exact", s0_keys()},
      {"s0_summary_route_log", "attention(sum) + route + summary(weight=log_count)",
       "S0 with summaries that count for their tokens", s0_keys()},
      {"s0_recent", "route(exact=recent) + summary",
       "S0 with the newest tokens retained instead of the most important", s0_keys()},
      {"s0_importance_sum",
       "attention(sum) + positions",
       "control: the most attended tokens, question-blind",
       {}},
      {"s0_importance_max",
       "attention(max) + positions",
       "control: the same by the largest attention",
       {}},
      {"s0_importance_tail",
       "attention(tail) + positions",
       "control: the same by the last queries only",
       {}},
      {"s0_question_aware",
       "question_attention + positions",
       "control: the tokens that the question attends to",
       {}},
      {"s0_route_only", "route(retain=0)", "control: routed chunks without summaries, gaps left",
       s0_keys()},
      {"s0_route_only_rerotate", "route(retain=0) + rerotate",
       "control: routed chunks, gaps closed by re-rotation", s0_keys()},
      {"s0_summary_only", "route(chunks=0, retain=0) + summary", "control: nothing but summaries",
       s0_keys()},
      {"s0_random_route", "attention(sum) + route(random=true) + summary",
       "control: S0 with random chunks", s0_keys()},
      {"s0_scaffold_zero", "attention(sum) + route + summary(values=zero)",
       "control: S0 with summaries whose values are zero", s0_keys()},
      {"s0_scaffold_random", "attention(sum) + route + summary(keys=random)",
       "control: S0 with summaries whose keys are random, norms kept", s0_keys()},
  };
  return all;
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all = make_presets();
  return all;
}

const Preset* find_preset(std::string_view name) {
  const auto found = std::find_if(presets().begin(), presets().end(),
                                  [&](const Preset& p) { return p.name == name; });
  return found == presets().end() ? nullptr : &*found;
}

}  // namespace pith::recipe
