#include "cli/probe_cells.h"

#include <cmath>
#include <map>
#include <vector>

#include "cli/output.h"

namespace pith::cli {
namespace {

std::string recipe_of(const probe::ExamineOptions& options, const probe::Cell& cell) {
  if (cell.request < 0) return "full";
  const auto& request = options.arms[static_cast<std::size_t>(cell.request)];
  return options.series[static_cast<std::size_t>(request.series)];
}

Json tags_json(const probe::Cell& cell) {
  Json tags = Json::object();
  for (const auto& [tag, share] : cell.tags)
    tags[tag] = {
        {"questions", share.judged}, {"right", share.right}, {"hallucinated", share.hallucinated}};
  return tags;
}

Json cell_json(const std::string& recipe, const probe::Cell& cell) {
  Json outcomes = Json::object();
  for (const auto& [outcome, count] : cell.outcomes) outcomes[probe::to_string(outcome)] = count;
  const auto known = [](bool is, double value) { return is ? Json(value) : Json(nullptr); };
  const bool stated = cell.stated > 0, judged = cell.judged > 0;
  return {{"kind", "cell"},
          {"recipe", recipe},
          {"grid_ratio", cell.ratio},
          {"documents", cell.documents},
          {"questions", cell.judged},
          {"removed", cell.removed},
          {"eviction_rate", cell.eviction},
          {"ger", known(stated, cell.ger)},
          {"ger_layer_mean", known(stated, cell.ger_layers)},
          {"all_answer_tokens_gone", known(stated, cell.all_gone)},
          {"ger_proxy", cell.ger_proxy},
          {"jaccard", cell.jaccard},
          {"effective_routes", known(cell.spread > 0, cell.routes)},
          {"head_diversity", cell.head_diversity},
          {"agreement", cell.agreement},
          {"right", known(judged, cell.right)},
          {"hallucinated", known(judged, cell.hallucinated)},
          {"abstained", known(judged, cell.abstained)},
          {"outcomes", outcomes},
          {"head_diversity_by_layer", cell.diversity_by_layer},
          {"tags", tags_json(cell)},
          {"kl_answers", known(cell.answers.rows > 0, cell.answers.kl)},
          {"kl_replay", known(cell.replay.rows > 0, cell.replay.kl)},
          {"top1_replay", known(cell.replay.rows > 0, cell.replay.top1)},
          {"probe_macro_f1", known(cell.probed, cell.probe.macro_f1)},
          {"probe_deviation", known(cell.probed, cell.probe.deviation)}};
}

void put_cells(const probe::ExamineOptions& options, const std::vector<probe::Cell>& cells) {
  Table table;
  table.add_column("recipe", Table::Align::left);
  for (const char* title : {"ratio", "n", "gone %", "GER %", "in a layer", "all gone", "right %",
                            "invented %", "erased", "partly", "unreachable", "unused", "kept",
                            "KL replay", "top-1 %", "routes", "consensus", "probe F1"})
    table.add_column(title);
  for (const auto& cell : cells) {
    const auto share = [](bool is, double value) {
      return is ? fmt::format("{:.1f}", 100 * value) : std::string("-");
    };
    const auto count = [&](probe::Outcome outcome) {
      const auto at = cell.outcomes.find(outcome);
      return std::to_string(at == cell.outcomes.end() ? 0 : at->second);
    };
    const bool stated = cell.stated > 0, judged = cell.judged > 0, replayed = cell.replay.rows > 0;
    table.add_row(
        {recipe_of(options, cell),
         cell.request < 0 ? "" : (std::isnan(cell.ratio) ? "own" : fmt::format("{:g}", cell.ratio)),
         human_count(cell.judged), share(true, cell.eviction), share(stated, cell.ger),
         share(stated, cell.ger_layers), share(stated, cell.all_gone), share(judged, cell.right),
         share(judged, cell.hallucinated), count(probe::Outcome::erased),
         count(probe::Outcome::partly_erased), count(probe::Outcome::unreachable),
         count(probe::Outcome::unused), count(probe::Outcome::kept),
         replayed ? fmt::format("{:.3f}", cell.replay.kl) : "-", share(replayed, cell.replay.top1),
         cell.spread > 0 ? fmt::format("{:.1f}", cell.routes) : "-",
         fmt::format("{:.2f}", cell.head_diversity),
         cell.probed ? fmt::format("{:.2f} ± {:.2f}", cell.probe.macro_f1, cell.probe.deviation)
                     : "-"});
  }
  put(table.to_string());
  put("\nerased to kept: why answers are wrong that the full cache gets right; kept where "
      "reachability was not computed. probe F1: "
      "macro-F1 "
      "of a linear classifier on pooled hidden states. consensus: paper's ratio, no sinks.\n");
}

// The means of consecutive thirds of the layers: how consensus goes with depth.
std::string by_depth(const std::vector<double>& layers) {
  std::string out;
  for (std::size_t third = 0; third < 3 && layers.size() >= 3; ++third) {
    const std::size_t begin = third * layers.size() / 3, end = (third + 1) * layers.size() / 3;
    double sum = 0;
    for (std::size_t l = begin; l < end; ++l) sum += layers[l];
    out += fmt::format("{}{:.2f}", third == 0 ? "" : " ", sum / static_cast<double>(end - begin));
  }
  return out;
}

std::string ratio_text(double ratio) {
  return std::isnan(ratio) ? "-" : fmt::format("{:.2f}", ratio);
}

// Each tag's share of right answers, ratio by ratio.
void put_tags(const probe::ExamineOptions& options, Index series,
              const std::vector<probe::Cell>& cells) {
  Table table;
  table.add_column("tag", Table::Align::left);
  table.add_column("n");
  std::map<std::string, std::vector<std::string>> rows;
  for (const auto& cell : cells) {
    const bool own =
        cell.request >= 0 && options.arms[static_cast<std::size_t>(cell.request)].series == series;
    if (!own || std::isnan(cell.ratio)) continue;
    table.add_column(fmt::format("{:g}", cell.ratio));
    for (const auto& [tag, share] : cell.tags) {
      auto& row = rows.try_emplace(tag, std::vector{tag, human_count(share.judged)}).first->second;
      row.push_back(fmt::format("{:.0f}", 100 * share.right));
    }
  }
  for (auto& [tag, row] : rows) table.add_row(std::move(row));
  if (!rows.empty())
    put("\nRight % by tag and ratio, " + options.series[static_cast<std::size_t>(series)] + ":\n" +
        table.to_string());
}

// The curves of each series over its cells.
void put_curves(const probe::ExamineOptions& options, const std::vector<probe::Cell>& cells,
                const probe::Cohort& cohort, const Json& of, bool json) {
  for (std::size_t s = 0; s < options.series.size(); ++s) {
    std::vector<double> ratios, eviction, ger, invented, wrong;
    std::vector<Index> requests;
    const probe::Cell* first = nullptr;
    const probe::Cell* last = nullptr;
    for (const auto& cell : cells) {
      if (cell.request < 0 || std::isnan(cell.ratio) || cell.stated == 0) continue;
      if (options.arms[static_cast<std::size_t>(cell.request)].series != static_cast<Index>(s))
        continue;
      ratios.push_back(cell.ratio);
      eviction.push_back(cell.eviction);
      ger.push_back(cell.ger);
      invented.push_back(cell.hallucinated);
      wrong.push_back(1 - cell.right);
      requests.push_back(cell.request);
      if (first == nullptr) first = &cell;
      last = &cell;
    }
    if (ratios.size() < 2) continue;
    const probe::Cliff cliff = probe::cliff(ratios, ger), wrongs = probe::cliff(ratios, wrong);
    const probe::Susceptibility chi = probe::susceptibility(ratios, invented);
    const probe::Correlation r = cohort.ger_and_invented(requests);
    if (json) {
      Json line = {{"kind", "series"}};
      line.update(of);
      line.update({{"series", options.series[s]},
                   {"ger_begins", cliff.begins},
                   {"ger_half", cliff.half},
                   {"wrong_half", wrongs.half},
                   {"chi_peak_at", chi.peak_at},
                   {"chi_peak", chi.peak},
                   {"eviction_and_ratio", probe::pearson(ratios, eviction)},
                   {"pearson_ger_hallucination", r.r},
                   {"pearson_low", r.low},
                   {"pearson_high", r.high},
                   {"documents", r.documents}});
      put_json(line);
      continue;
    }
    const auto half = [](const probe::Cliff& rate) {
      return (rate.half_from_start ? "≤ " : "") + ratio_text(rate.half);
    };
    const std::string steepest =
        chi.peak > 0 ? fmt::format(" χ of invented answers peaks near {:.2f} ({:.1f});",
                                   chi.peak_at, chi.peak)
                     : "";
    print(
        "{}: GER above 0 {}, one half at {}; half of the answers wrong at {};{} "
        "r(GER, invented) = {} [{}, {}] (n = {} documents); "
        "consensus by depth {} at {:g}, {} at {:g}\n",
        options.series[s],
        cliff.from_start ? "from the start" : "after " + ratio_text(cliff.begins), half(cliff),
        half(wrongs), steepest, ratio_text(r.r), ratio_text(r.low), ratio_text(r.high), r.documents,
        by_depth(first->diversity_by_layer), first->ratio, by_depth(last->diversity_by_layer),
        last->ratio);
  }
}

}  // namespace

void put_cohort(const CohortTitle& title, const probe::ExamineOptions& options,
                probe::Cohort& cohort, bool json) {
  const Json of = {{"task", title.task}, {"questions_seen", title.questions}};
  const auto cells = cohort.finish();
  const auto alone = cohort.without_text();
  if (json) {
    for (const auto& cell : cells) {
      Json line = cell_json(recipe_of(options, cell), cell);
      line.update(of);
      put_json(line);
    }
    if (alone) {
      Json line = {{"kind", "control"},
                   {"tag", title.tag},
                   {"probe_macro_f1", alone->macro_f1},
                   {"probe_deviation", alone->deviation}};
      line.update(of);
      put_json(line);
    }
  } else {
    print("{}, question-{}\n\n", title.task, title.questions);
    put_cells(options, cells);
    put("\n");
    if (alone)
      print("probe F1 of {} from the questions alone, without their texts: {:.2f} ± {:.2f}\n",
            title.tag, alone->macro_f1, alone->deviation);
  }
  put_curves(options, cells, cohort, of, json);
  if (!json)
    for (Index s = 0; s < std::ssize(options.series); ++s) put_tags(options, s, cells);
  if (!json) put("\n");
}

}  // namespace pith::cli
