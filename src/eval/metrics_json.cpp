#include <nlohmann/json.hpp>

#include "eval/metrics.h"

namespace pith::eval {
namespace {

using Json = nlohmann::ordered_json;

// Bounds that the data cannot give are NaN, which JSON prints as null.
Json difference_json(const Difference& d) {
  return {{"to", d.to},
          {"mean", d.measured.difference.mean},
          {"ci_low", d.measured.difference.low},
          {"ci_high", d.measured.difference.high},
          {"n", d.measured.difference.n},
          {"p", d.measured.p_value},
          {"p_holm", d.p_holm},
          {"score", d.other_score}};
}

Json arm_json(const ArmMetrics& arm, const std::string& baseline) {
  Json json = {{"recipe", arm.recipe},
               {"canonical", arm.canonical},
               {"task", arm.task},
               {"n", arm.score.n},
               {"documents", arm.documents},
               {"score", arm.score.mean},
               {"ci_low", arm.score.low},
               {"ci_high", arm.score.high},
               {"cache_bytes", arm.cache_bytes},
               {"full_bytes", arm.full_bytes},
               {"cold_bytes", arm.cold_bytes},
               {"ratio", arm.ratio},
               {"sees_question", arm.sees_question},
               {"oracle", arm.oracle},
               {"entries", arm.entries}};
  const auto add = [&](const char* field, const char* against) {
    const Difference* difference = arm.against(against);
    json[field] = difference ? difference_json(*difference) : Json(nullptr);
  };
  add("difference", "full");
  if (baseline != "full") add("difference_to_baseline", "baseline");
  json["twin"] = arm.twin.empty() ? Json(nullptr) : Json(arm.twin);
  if (!arm.twin.empty()) json["twin_of"] = arm.twin_of;
  json["twins"] = Json::object();
  for (const auto& d : arm.differences)
    if (d.against != "full" && d.against != "baseline")
      json["twins"][d.against] = difference_json(d);
  json["conditional"] = {{"n", arm.conditional.n},
                         {"score", arm.conditional.mean},
                         {"ci_low", arm.conditional.low},
                         {"ci_high", arm.conditional.high}};
  json["left_out"] = arm.left_out;
  json["exact"] = arm.exact;
  json["contained"] = arm.contained;
  json["worst_decile"] = arm.worst_decile;
  json["worst_decile_n"] = arm.worst_n;
  json["unended"] = arm.unended;
  json["answer_tokens"] = arm.answer_tokens;
  json["prefill_s"] = arm.prefill_s;
  json["compress_s"] = arm.compress_s;
  json["repeats"] = arm.repeats;
  json["failures"] = arm.failures;
  return json;
}

}  // namespace

std::string metrics_json(std::span<const ArmMetrics> arms, const std::string& baseline) {
  Json list = Json::array();
  for (const auto& arm : arms) list.push_back(arm_json(arm, baseline));
  return Json{{"baseline", baseline}, {"arms", std::move(list)}}.dump(
             2, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

}  // namespace pith::eval
