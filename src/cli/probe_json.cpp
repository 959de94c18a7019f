#include "cli/probe_json.h"

#include <cmath>

namespace pith::cli {
namespace {

Json scoped_json(const probe::Scoped& scoped) {
  return {{"all_lanes", scoped.all},
          {"layer_mean", scoped.mean},
          {"layer_max", scoped.max},
          {"layers", scoped.layers}};
}

Json fidelity_json(const probe::Fidelity& fidelity) {
  if (fidelity.rows == 0) return nullptr;
  return {{"tokens", fidelity.rows},
          {"kl", fidelity.kl},
          {"top1_agreement", fidelity.top1},
          {"surprisal", fidelity.surprisal},
          {"surprisal_full", fidelity.surprisal_full}};
}

Json consensus_json(const std::vector<probe::Consensus>& layers) {
  Json diversity = Json::array(), agreement = Json::array();
  for (const auto& layer : layers) {
    diversity.push_back(layer.head_diversity);
    agreement.push_back(layer.agreement);
  }
  return {{"head_diversity", diversity}, {"agreement", agreement}};
}

Json judged_json(probe::Judgement judgement) {
  switch (judgement) {
    case probe::Judgement::unjudged:
      return nullptr;
    case probe::Judgement::right:
      return "right";
    case probe::Judgement::abstained:
      return "abstained";
    case probe::Judgement::wrong:
      return "wrong";
  }
  return nullptr;
}

Json answer_json(const probe::Report& report, const probe::AnswerReport& answer) {
  const auto& info = report.questions[static_cast<std::size_t>(answer.question)];
  Json json = {{"question", info.text},
               {"answer", answer.text},
               {"judged", judged_json(answer.judgement)},
               {"outcome", answer.judgement == probe::Judgement::unjudged
                               ? Json(nullptr)
                               : Json(probe::to_string(answer.outcome))},
               {"fidelity", fidelity_json(answer.fidelity)}};
  if (info.places.empty()) return json;
  json["ger"] = scoped_json(answer.ger);
  json["all_answer_tokens_gone"] = answer.all_gone;
  json["answer_mass"] = answer.answer_mass;
  if (!report.graphs) return json;
  json["reachable"] = answer.reachable;
  json["direct_routes"] = answer.direct_routes;
  json["disjoint_routes"] = answer.disjoint_routes;
  return json;
}

Json cliff_json(const probe::Cliff& cliff) {
  return {{"begins", cliff.begins},
          {"half", cliff.half},
          {"from_start", cliff.from_start},
          {"half_from_start", cliff.half_from_start}};
}

Json chi_json(const probe::Susceptibility& chi) {
  if (chi.at.empty()) return nullptr;
  return {{"at", chi.at}, {"chi", chi.chi}, {"peak_at", chi.peak_at}, {"peak", chi.peak}};
}

// To four digits behind the point: a number per token adds up.
Json rounded(const std::vector<float>& values) {
  Json result = Json::array();
  for (float value : values) result.push_back(std::round(1e4 * static_cast<double>(value)) / 1e4);
  return result;
}

}  // namespace

Json document_json(const probe::Report& report) {
  double surprisal = 0;
  for (float one : report.surprisal) surprisal += static_cast<double>(one);
  Json questions = Json::array();
  for (const auto& question : report.questions)
    questions.push_back(
        {{"question", question.text},
         {"answer", question.answer.empty() ? Json(nullptr) : Json(question.answer)},
         {"places", question.places}});
  return {{"kind", "document"},
          {"n_context_tokens", report.tokens},
          {"prefix_tokens", report.prefix},
          {"surprisal", surprisal / std::max(1.0, static_cast<double>(report.tokens - 1))},
          {"token_surprisal", rounded(report.surprisal)},
          {"epsilon", report.graphs ? Json(report.epsilon) : Json(nullptr)},
          {"questions", questions}};
}

Json arm_json(const probe::Report& report, const probe::ArmReport& arm) {
  Json questions = Json::array();
  for (const auto& answer : arm.questions) questions.push_back(answer_json(report, answer));
  const bool stated = arm.stated > 0, judged = arm.judged > 0;
  Json json = {
      {"kind", "arm"},
      {"recipe", arm.recipe},
      {"series", arm.series < 0 ? Json(nullptr)
                                : Json(report.series[static_cast<std::size_t>(arm.series)].name)},
      {"grid_ratio", arm.series < 0 ? Json(0.0) : Json(arm.ratio)},
      {"entries", arm.entries},
      {"removed", arm.removed},
      {"cache_bytes", arm.bytes},
      {"full_bytes", arm.full_bytes},
      {"eviction_rate", scoped_json(arm.eviction)},
      {"ger", stated ? scoped_json(arm.ger) : Json(nullptr)},
      {"all_answer_tokens_gone", stated ? Json(arm.all_gone) : Json(nullptr)},
      {"ger_proxy", arm.ger_proxy},
      {"surprisal_gone", arm.surprisal_gone},
      {"jaccard",
       {{"within_layers", arm.overlap.within_layers},
        {"all_lanes", arm.overlap.all},
        {"if_independent", arm.overlap.independent}}},
      {"effective_routes",
       {{"lanes", arm.routes.lanes},
        {"kept", arm.routes.kept},
        {"by_spread", arm.routes.by_spread},
        {"by_loss", arm.routes.by_loss},
        {"predicted_eviction_rate", arm.routes.predicted}}},
      {"consensus", consensus_json(arm.watched.consensus)},
      {"consensus_without_sinks", consensus_json(arm.watched.without_sinks)},
      {"summaries", arm.summaries.summaries == 0 ? Json(nullptr)
                                                 : Json({{"norm", arm.summaries.norm},
                                                         {"logit", arm.summaries.logit},
                                                         {"best_logit", arm.summaries.best_logit},
                                                         {"log_sum", arm.summaries.log_sum},
                                                         {"mass", arm.watched.summary_mass}})},
      {"replay", fidelity_json(arm.replay)},
      {"answers", fidelity_json(arm.answers)},
      {"right", judged ? Json(arm.right) : Json(nullptr)},
      {"hallucinated", judged ? Json(arm.hallucinated) : Json(nullptr)},
      {"abstained", judged ? Json(arm.abstained) : Json(nullptr)},
      {"questions", questions}};
  return json;
}

Json series_json(const probe::Series& series) {
  return {{"kind", "series"},
          {"series", series.name},
          {"ger_cliff", cliff_json(series.ger)},
          {"all_gone_cliff", cliff_json(series.all_gone)},
          {"hallucination_cliff", cliff_json(series.hallucination)},
          {"susceptibility", chi_json(series.chi)},
          {"ger_susceptibility", chi_json(series.ger_chi)}};
}

Json kept_json(const probe::Report& report, const probe::KeptSets& kept) {
  Json lanes = Json::array();
  for (Index lane = 0; lane < kept.layers * kept.kv_heads; ++lane) {
    std::string row;
    for (Index t = report.prefix; t < kept.tokens; t += 4) {
      unsigned digit = 0;
      for (Index bit = 0; bit < 4; ++bit)
        if (t + bit < kept.tokens && kept.keeps(lane, t + bit)) digit |= 8u >> bit;
      row += "0123456789abcdef"[digit];
    }
    lanes.push_back(row);
  }
  return lanes;
}

}  // namespace pith::cli
