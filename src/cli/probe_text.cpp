#include "cli/probe_text.h"

#include <cmath>

#include "cli/output.h"

namespace pith::cli {
namespace {

std::string percent(double share) { return fmt::format("{:.1f}", 100 * share); }
std::string percent_if(bool known, double share) { return known ? percent(share) : "-"; }
std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{:.1f}", value) : "-";
}
std::string ratio_label(const probe::ArmReport& arm) {
  return std::isnan(arm.ratio) ? "own" : fmt::format("{:g}", arm.ratio);
}

// The full cache, then the arms of a series.
std::vector<const probe::ArmReport*> rows(const probe::Report& report,
                                          const probe::Series& series) {
  std::vector<const probe::ArmReport*> result = {&report.arms.front()};
  for (Index a : series.arms) result.push_back(&report.arms[static_cast<std::size_t>(a)]);
  return result;
}

std::string row_label(const probe::ArmReport& arm) {
  return arm.series < 0 ? "full" : ratio_label(arm);
}

void put_survival(const probe::Report& report, const probe::Series& series) {
  Table table;
  for (const char* title :
       {"ratio", "removed %", "×", "gone %", "gone/layer %", "GER %", "GER/layer %", "GER/worst %",
        "all gone %", "top tenth %", "surprisal %", "routes", "Jaccard", "if random"})
    table.add_column(title);
  for (const auto* arm : rows(report, series)) {
    const bool stated = arm->stated > 0;
    table.add_row({row_label(*arm), percent(arm->removed),
                   arm->series < 0 ? "-"
                                   : fmt::format("{:.1f}", static_cast<double>(arm->full_bytes) /
                                                               static_cast<double>(arm->bytes)),
                   percent(arm->eviction.all), percent(arm->eviction.mean),
                   percent_if(stated, arm->ger.all), percent_if(stated, arm->ger.mean),
                   percent_if(stated, arm->ger.max), percent_if(stated, arm->all_gone),
                   percent(arm->ger_proxy), percent(arm->surprisal_gone),
                   number(arm->routes.by_spread), fmt::format("{:.2f}", arm->overlap.all),
                   fmt::format("{:.2f}", arm->overlap.independent)});
  }
  put(table.to_string());
}

void put_behaviour(const probe::Report& report, const probe::Series& series) {
  const bool summaries = std::any_of(series.arms.begin(), series.arms.end(), [&](Index a) {
    return report.arms[static_cast<std::size_t>(a)].summaries.summaries > 0;
  });
  Table table;
  for (const char* title :
       {"ratio", "right %", "invented %", "KL answers", "top-1 %", "KL replay", "top-1 replay %",
        "nats replay", "consensus (paper's ratio)", "no sinks", "agreement ρ", "ρ no sinks"})
    table.add_column(title);
  if (summaries)
    for (const char* title : {"summary norm", "q·K", "best q·k", "mass %"}) table.add_column(title);
  for (const auto* arm : rows(report, series)) {
    const bool judged = arm->judged > 0, asked = arm->answers.rows > 0,
               replayed = arm->replay.rows > 0;
    probe::Consensus all{}, without{};
    const auto layers = static_cast<double>(arm->watched.consensus.size());
    for (const auto& layer : arm->watched.consensus) {
      all.head_diversity += layer.head_diversity / layers;
      all.agreement += layer.agreement / layers;
    }
    for (const auto& layer : arm->watched.without_sinks) {
      without.head_diversity += layer.head_diversity / layers;
      without.agreement += layer.agreement / layers;
    }
    std::vector<std::string> cells = {row_label(*arm),
                                      percent_if(judged, arm->right),
                                      percent_if(judged, arm->hallucinated),
                                      asked ? fmt::format("{:.3f}", arm->answers.kl) : "-",
                                      percent_if(asked, arm->answers.top1),
                                      replayed ? fmt::format("{:.3f}", arm->replay.kl) : "-",
                                      percent_if(replayed, arm->replay.top1),
                                      replayed ? fmt::format("{:.3f}", arm->replay.surprisal) : "-",
                                      fmt::format("{:.2f}", all.head_diversity),
                                      fmt::format("{:.2f}", without.head_diversity),
                                      fmt::format("{:.2f}", all.agreement),
                                      fmt::format("{:.2f}", without.agreement)};
    if (summaries) {
      const bool has = arm->summaries.summaries > 0;
      cells.push_back(has ? fmt::format("{:.2f}", arm->summaries.norm) : "-");
      cells.push_back(has ? fmt::format("{:.2f}", arm->summaries.logit) : "-");
      cells.push_back(has ? fmt::format("{:.2f}", arm->summaries.best_logit) : "-");
      cells.push_back(percent_if(has, arm->watched.summary_mass));
    }
    table.add_row(std::move(cells));
  }
  put(table.to_string());
}

void put_questions(const probe::Report& report, const probe::Series& series) {
  for (std::size_t q = 0; q < report.questions.size(); ++q) {
    const auto& info = report.questions[q];
    print("\n  {}{}\n", one_line(info.text),
          info.answer.empty() ? "" : fmt::format("  ({})", one_line(info.answer)));
    Table table;
    table.add_column("ratio");
    table.add_column("answer", Table::Align::left);
    if (!info.answer.empty()) table.add_column("why", Table::Align::left);
    for (const char* title : {"GER", "direct routes", "routes ≥", "mass %"})
      table.add_column(title);
    for (const auto* arm : rows(report, series))
      for (const auto& answer : arm->questions) {
        if (answer.question != static_cast<Index>(q)) continue;
        const bool stated = !info.places.empty(), graph = stated && report.graphs;
        std::vector<std::string> cells = {row_label(*arm), shorten(one_line(answer.text), 48)};
        if (!info.answer.empty())
          cells.emplace_back(answer.judgement == probe::Judgement::abstained
                                 ? fmt::format("abstains; {}", probe::explain(answer.outcome))
                                 : std::string(probe::explain(answer.outcome)));
        cells.push_back(percent_if(stated, answer.ger.all));
        cells.push_back(graph ? std::to_string(answer.direct_routes) : "-");
        cells.push_back(graph ? std::to_string(answer.disjoint_routes) : "-");
        cells.push_back(stated ? fmt::format("{:.2f}", 100 * answer.answer_mass) : "-");
        table.add_row(std::move(cells));
      }
    put(table.to_string());
  }
}

void put_layers(const probe::Report& report, const probe::Series& series) {
  Table table;
  table.add_column("layer");
  for (const auto* arm : rows(report, series)) {
    table.add_column(fmt::format("gone % {}", row_label(*arm)));
    if (arm->stated > 0) table.add_column("GER");
    table.add_column("consensus");
    table.add_column("ρ");
  }
  for (std::size_t l = 0; l < report.arms.front().watched.without_sinks.size(); ++l) {
    std::vector<std::string> cells = {std::to_string(l)};
    for (const auto* arm : rows(report, series)) {
      cells.push_back(percent(arm->eviction.layers[l]));
      if (arm->stated > 0) cells.push_back(percent(arm->ger.layers[l]));
      cells.push_back(fmt::format("{:.2f}", arm->watched.without_sinks[l].head_diversity));
      cells.push_back(fmt::format("{:.2f}", arm->watched.without_sinks[l].agreement));
    }
    table.add_row(std::move(cells));
  }
  put("\n");
  put(table.to_string());
  put("  consensus (paper's ratio) and agreement ρ without the first 4 tokens\n");
}

// "above 0 after ratio 0.50, one half at 0.83"
std::string sentence(const probe::Cliff& cliff) {
  const std::string begins = cliff.from_start ? "above 0 from the start"
                             : std::isnan(cliff.begins)
                                 ? "0 at the last ratio"
                                 : fmt::format("above 0 after ratio {:.2f}", cliff.begins);
  const std::string half = cliff.half_from_start    ? "at least one half from the start"
                           : std::isnan(cliff.half) ? "never one half"
                                                    : fmt::format("one half at {:.2f}", cliff.half);
  return begins + ", " + half;
}

void put_curves(const probe::Series& series) {
  const auto line = [](std::string_view what, const probe::Cliff& cliff,
                       const probe::Susceptibility& chi) {
    if (chi.at.empty()) return;
    const std::string steepest =
        chi.peak > 0 ? fmt::format("; steepest near {:.2f} (χ = {:.1f})", chi.peak_at, chi.peak)
                     : "";
    print("  {}: {}{}\n", what, sentence(cliff), steepest);
  };
  line("GER", series.ger, series.ger_chi);
  line("invented answers", series.hallucination, series.chi);
}

}  // namespace

void put_probe(const probe::Report& report, bool layers) {
  for (const auto& series : report.series) {
    print("\n{}\n", series.name);
    put_survival(report, series);
    put("\n");
    put_behaviour(report, series);
    put_curves(series);
    if (layers) put_layers(report, series);
    put_questions(report, series);
  }
  put("\ngone: held by no lane (layer, KV head); per layer: by none of its lanes, mean. GER: the "
      "same\n"
      "of the tokens that state the answers. top tenth, surprisal: what is gone of the most "
      "attended\n"
      "tokens, and of the text's surprisal. routes: effective number of independent lanes. KL and\n"
      "top-1: against the full cache, over its own answers, and over a replay of the text.\n"
      "docs/diagnostics.md has every formula.\n");
  if (report.graphs)
    print(
        "Reachability: edges are attention weights above {:.2g}; direct routes are lanes (layer, "
        "KV head) that join question or answer to the answer's place.\n",
        report.epsilon);
}

}  // namespace pith::cli
