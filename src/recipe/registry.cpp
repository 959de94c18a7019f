#include "recipe/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "recipe/parts/parts.h"
#include "recipe/presets.h"

namespace pith::recipe {

std::string_view to_string(PartKind kind) {
  switch (kind) {
    case PartKind::scorer:
      return "scorer";
    case PartKind::adjuster:
      return "adjuster";
    case PartKind::allocator:
      return "allocator";
    case PartKind::realiser:
      return "realiser";
    case PartKind::format:
      return "format";
  }
  return "part";
}

std::string_view to_string(ParameterType type) {
  switch (type) {
    case ParameterType::integer:
      return "an integer";
    case ParameterType::real:
      return "a number";
    case ParameterType::flag:
      return "a flag";
    case ParameterType::choice:
      return "a choice";
    case ParameterType::text:
      return "a text";
  }
  return "a value";
}

std::string_view to_string(Cost cost) {
  switch (cost) {
    case Cost::columns:
      return "nothing to speak of";
    case Cost::keys:
      return "one pass over keys";
    case Cost::window:
      return "attention of a few queries";
    case Cost::moments:
      return "D^2 per key and query head";
    case Cost::prefill:
      return "a tap on the prefill's attention";
    case Cost::logits:
      return "logits of every token";
    case Cost::values:
      return "the output projection of every value";
    case Cost::replay:
      return "a second pass over the context";
    case Cost::optimisation:
      return "hundreds of passes, forwards and backwards";
  }
  return "";
}

const std::vector<PartInfo>& parts() {
  static const std::vector<PartInfo> all = {
      // scorers
      random_part(),
      recency_part(),
      spaced_part(),
      knorm_part(),
      keydiff_part(),
      attention_part(),
      raw_attention_part(),
      question_attention_part(),
      snapkv_part(),
      tova_part(),
      expected_attention_part(),
      kvzip_part(),
      kvzip_plus_part(),
      reference_attention_part(),
      lagkv_part(),
      cur_part(),
      leverage_part(),
      non_causal_part(),
      compactor_part(),
      capkv_part(),
      finch_part(),
      simlayer_part(),
      dropkv_part(),
      echo_part(),
      kvcompose_part(),
      qfilters_part(),
      kvzap_part(),
      kvgrad_part(),
      duo_part(),
      triattention_part(),
      rkv_part(),
      // adjusters
      pins_part(),
      chunk_mean_part(),
      critical_part(),
      defensive_part(),
      surprisal_part(),
      structure_part(),
      floor_part(),
      turn_quota_part(),
      // allocators
      uniform_part(),
      pyramid_part(),
      adakv_part(),
      global_part(),
      positions_part(),
      chunked_part(),
      route_part(),
      route_floor_part(),
      curves_part(),
      csa_part(),
      keep_all_part(),
      prefix_only_part(),
      threshold_part(),
      composite_part(),
      // realisers
      drop_part(),
      rerotate_part(),
      summary_part(),
      match_part(),
      virtual_part(),
      learned_part(),
      fold_part(),
      merge_part(),
      cam_part(),
      think_part(),
      // formats
      bf16_part(),
      f32_part(),
      int8_part(),
      int4_part(),
      int3_part(),
      int2_part(),
      e4m3_part(),
  };
  return all;
}

const PartInfo* find_part(std::string_view name) {
  const auto found = std::find_if(parts().begin(), parts().end(),
                                  [&](const PartInfo& part) { return part.name == name; });
  return found == parts().end() ? nullptr : &*found;
}

bool sees_question(const PartInfo& info, const Arguments& arguments) {
  return info.needs != nullptr && info.needs(arguments).question_queries;
}

// The scorers that are not completed by `uniform`, by what completes them.
static std::string completions() {
  std::map<std::string_view, std::vector<std::string>> scorers;
  for (const PartInfo& part : parts())
    if (part.kind == PartKind::scorer && part.default_allocator != "uniform")
      scorers[part.default_allocator].push_back(fmt::format("`{}`", part.name));
  std::string out;
  for (const auto& [allocator, names] : scorers)
    out +=
        fmt::format("{}`{}` after {}", out.empty() ? "" : "; ", allocator, fmt::join(names, ", "));
  return out.empty() ? "" : " (" + out + ")";
}

std::string recipes_table() {
  std::string out =
      "# Recipes\n\n"
      "This page is printed from the registry (`recipes_table()`); do not edit it.\n\n"
      "    recipe = stage { \" then \" stage }\n"
      "    stage  = part { \" + \" part } [ \" @ \" budget ]\n"
      "    part   = name [ \"(\" key=value {, key=value} \")\" ]\n"
      "    value  = a word, a number, a path of letters, digits and . _ - / ~, or any text in "
      "quotes\n\n"
      "A stage is one scorer, any adjusters, one allocator, one realiser and one format, in any "
      "order. What is left out is completed: `uniform`" +
      completions() +
      ", `drop` (`rerotate` after `finch`), `bf16`. A bare first value belongs to the first "
      "parameter: `attention(max)`. `full` alone is no compression.\n\n"
      "Budgets: `@ 0.9` removes that fraction of the entries (kvpress' compression_ratio: a lane "
      "of "
      "n keeps max(1, int(n * (1 - 0.9)))); `@ 10x` is a tenth of the bytes of the full bf16 "
      "cache; "
      "`@ 1024tok` is mean entries per lane, summaries included; `@ 64MiB` (KiB, GiB) is bytes as "
      "allocated; `@ auto(risk=0.1)` is the largest ratio at which at most that share of right "
      "answers is expected to be lost, chosen per document by the guard (docs/guard.md), and "
      "`auto` "
      "alone is the default recipe under it. After `route` a budget decides how many tokens are "
      "retained. Layers with a "
      "sliding "
      "window are left alone: they keep their last `window` entries, which count in bytes only. "
      "Under `x` and bytes `global`, `adakv` and `curves` fill the last tile of 16 entries of a "
      "lane "
      "with its next best ones, which costs nothing, where all of the lane is stored in one format "
      "(`int4` without sinks and recent tokens in bf16).\n\n"
      "When a recipe runs is said apart from it: `--when prefill` (once the document is read), "
      "`chunk:512` (while it is read, after every 512 tokens: memory stays bounded), `turn` (of a "
      "conversation), `every:128` (while a text is written) or `over:64MiB` (whenever the cache is "
      "larger); in `pith eval` behind the recipe: `snapkv @ 4x when turn`, `when chunk:512`, `when "
      "again` (after every turn, all that is left so far). Budgets then count against all tokens "
      "so far.\n\n"
      "`curves`, `csa`, `qfilters` and `kvzap` look up what `pith calibrate` measured once of the "
      "model.\n\n"
      "`quirk=kvpress` on a part reproduces what kvpress 0.5.5 does where pith does what is right; "
      "its line says what that is.\n\n";
  for (const PartKind kind : {PartKind::scorer, PartKind::adjuster, PartKind::allocator,
                              PartKind::realiser, PartKind::format}) {
    out += fmt::format(
        "## {}s\n\n| part | what it does | sees the question | oracle | cost | source |\n"
        "|---|---|---|---|---|---|\n",
        to_string(kind));
    for (const PartInfo& part : parts()) {
      if (part.kind != kind) continue;
      const bool sees = sees_question(part, Arguments(part.parameters));
      out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", part.name, part.summary,
                         sees ? "yes" : "no", part.oracle ? "yes" : "no", to_string(part.cost),
                         part.source);
    }
    out += "\n";
    for (const PartInfo& part : parts()) {
      if (part.kind != kind || part.parameters.empty()) continue;
      out += fmt::format("`{}`\n\n", part.name);
      for (const Parameter& p : part.parameters) {
        const bool number = p.type == ParameterType::integer || p.type == ParameterType::real;
        const std::string range = p.type == ParameterType::choice
                                      ? fmt::format(" ({})", fmt::join(p.choices, ", "))
                                  : number ? fmt::format(" ({} to {})", p.least, p.most)
                                           : "";
        const std::string with =
            p.with.empty() ? "" : fmt::format("; `{}` where `{}` is given", p.default_with, p.with);
        out += fmt::format("- `{}={}`{}: {}{}\n", p.name, p.no_default ? "..." : p.default_value,
                           range, p.doc, with);
      }
      out += "\n";
    }
  }
  out += "## presets\n\n| preset | is | what it does |\n|---|---|---|\n";
  for (const Preset& preset : presets())
    out += fmt::format("| `{}` | `{}` | {} |\n", preset.name, preset.text, full_summary(preset));
  return out;
}

}  // namespace pith::recipe
