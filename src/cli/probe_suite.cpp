#include <cmath>
#include <set>

#include "base/error.h"
#include "cli/output.h"
#include "cli/probe.h"
#include "cli/steps.h"
#include "eval/judge.h"
#include "probe/cohort.h"

namespace pith::cli {
namespace {

probe::Question question_of(const eval::Item& item) {
  probe::Question question{.text = item.question,
                           .answer = {},
                           .answer_prefix = item.answer_prefix,
                           .places = std::vector<probe::Bytes>{}};
  for (const auto& reference : item.references) {
    if (!question.answer.empty()) question.answer += " | ";
    question.answer += reference.text;
    for (const auto& span : reference.spans) question.places->push_back({span.begin, span.end});
  }
  return question;
}

probe::Judgement judge_item(const eval::Item& item, std::string_view said) {
  const eval::Verdict verdict = eval::judge(item, eval::cut_answer(said, item.cut));
  if (verdict.failure == eval::Failure::none) return probe::Judgement::right;
  return verdict.failure == eval::Failure::abstain ? probe::Judgement::abstained
                                                   : probe::Judgement::wrong;
}

std::string recipe_of(const probe::ExamineOptions& options, const probe::Cell& cell) {
  if (cell.request < 0) return "full";
  const auto& request = options.arms[static_cast<std::size_t>(cell.request)];
  return options.series[static_cast<std::size_t>(request.series)];
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
                            "invented %", "erased", "partly", "unreachable", "unused", "KL replay",
                            "top-1 %", "routes", "consensus", "probe F1"})
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
         count(probe::Outcome::unused), replayed ? fmt::format("{:.3f}", cell.replay.kl) : "-",
         share(replayed, cell.replay.top1),
         cell.spread > 0 ? fmt::format("{:.1f}", cell.routes) : "-",
         fmt::format("{:.2f}", cell.head_diversity),
         cell.probed ? fmt::format("{:.2f} ± {:.2f}", cell.probe.macro_f1, cell.probe.deviation)
                     : "-"});
  }
  put(table.to_string());
  put("\nerased to unused: why answers are wrong that the full cache gets right. probe F1: "
      "macro-F1 "
      "of a linear classifier on pooled hidden states. consensus: paper's ratio, no sinks.\n");
}

// The curves of each series over its cells.
void put_curves(const probe::ExamineOptions& options, const std::vector<probe::Cell>& cells,
                bool json) {
  for (std::size_t s = 0; s < options.series.size(); ++s) {
    std::vector<double> ratios, ger, invented;
    for (const auto& cell : cells) {
      if (cell.request < 0 || std::isnan(cell.ratio) || cell.stated == 0) continue;
      if (options.arms[static_cast<std::size_t>(cell.request)].series != static_cast<Index>(s))
        continue;
      ratios.push_back(cell.ratio);
      ger.push_back(cell.ger);
      invented.push_back(cell.hallucinated);
    }
    if (ratios.size() < 2) continue;
    const probe::Cliff cliff = probe::cliff(ratios, ger);
    const probe::Susceptibility chi = probe::susceptibility(ratios, invented);
    const double r = probe::pearson(ger, invented);
    if (json)
      put_json({{"kind", "series"},
                {"series", options.series[s]},
                {"ger_begins", cliff.begins},
                {"ger_half", cliff.half},
                {"chi_peak_at", chi.peak_at},
                {"chi_peak", chi.peak},
                {"pearson_ger_hallucination", r}});
    else
      print(
          "{}: GER above 0 after {}, one half at {}; χ of invented answers peaks near {:.2f} "
          "({:.1f}); r(GER, invented) = {}\n",
          options.series[s], std::isnan(cliff.begins) ? "-" : fmt::format("{:.2f}", cliff.begins),
          std::isnan(cliff.half) ? "-" : fmt::format("{:.2f}", cliff.half), chi.peak_at, chi.peak,
          std::isnan(r) ? "-" : fmt::format("{:.2f}", r));
  }
}

}  // namespace

void probe_suite(const ProbeOptions& options) {
  probe::ExamineOptions examine = examine_options(options);
  examine.questions_alone = true;
  const auto engine = load_engine(options.model);
  const auto documents = eval::generate(
      options.suite, options.documents,
      [&](std::string_view text) { return std::ssize(engine->tokenizer().encode(text)); });
  probe::Cohort cohort;
  StepProgress steps("documents");
  const auto show = steps.callback();
  for (std::size_t d = 0; d < documents.size(); ++d) {
    show(static_cast<Index>(d), std::ssize(documents));
    const eval::Document& document = documents[d];
    std::vector<std::string> labels;
    examine.questions.clear();
    Index longest = 1;
    for (const eval::Item& item : document.items) {
      examine.questions.push_back(question_of(item));
      longest = std::max(longest, item.max_tokens);
      const auto tag = item.tags.find(options.tag);
      if (tag != item.tags.end()) labels.push_back(tag->second);
    }
    if (labels.size() != document.items.size()) labels.clear();
    examine.max_tokens = std::min(options.max_tokens, longest);
    examine.judge = [&](Index question, std::string_view said) {
      return judge_item(document.items[static_cast<std::size_t>(question)], said);
    };
    const DocumentPrompt prompt(*engine, document.text, document.system);
    cohort.add(probe::examine(engine, document.text, prompt, examine), labels);
  }
  show(std::ssize(documents), std::ssize(documents));
  const auto cells = cohort.finish();
  if (options.json) {
    for (const auto& cell : cells) put_json(cell_json(recipe_of(examine, cell), cell));
  } else {
    print("{}: {} documents of about {} tokens; {} ({}, {})\n\n", options.suite,
          human_count(std::ssize(documents)), human_count(options.documents.tokens),
          model_label(options.model), numerics_name(*engine), isa_name());
    put_cells(examine, cells);
    put("\n");
  }
  if (const auto alone = cohort.without_text(); alone && options.json)
    put_json({{"kind", "control"},
              {"tag", options.tag},
              {"probe_macro_f1", alone->macro_f1},
              {"probe_deviation", alone->deviation}});
  else if (alone)
    print("probe F1 of {} from the questions alone, without their texts: {:.2f} ± {:.2f}\n",
          options.tag, alone->macro_f1, alone->deviation);
  put_curves(examine, cells, options.json);
}

}  // namespace pith::cli
