#include "cli/probe_facts.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/numbers.h"
#include "cli/output.h"

namespace pith::cli {
namespace {

// Four hexadecimal digits of f16 for each number.
std::string packed(const std::vector<float>& states) {
  std::string out;
  for (float x : states) out += fmt::format("{:04x}", to_f16(x).bits);
  return out;
}

std::vector<float> unpacked(const std::string& text) {
  if (text.size() % 4 != 0)
    fail(ErrorCode::bad_file, "states of a length that is no multiple of 4");
  std::vector<float> out;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint16_t bits = 0;
    for (char c : text.substr(i, 4)) {
      const bool digit = c >= '0' && c <= '9', letter = c >= 'a' && c <= 'f';
      if (!digit && !letter) fail(ErrorCode::bad_file, "states that are not hexadecimal digits");
      bits = static_cast<std::uint16_t>(bits << 4 | (digit ? c - '0' : c - 'a' + 10));
    }
    out.push_back(to_float(f16{bits}));
  }
  return out;
}

Json number_or_null(double x) { return std::isfinite(x) ? Json(x) : Json(nullptr); }
double number(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

Json fidelity_json(const probe::Fidelity& f) {
  return {f.rows, f.kl, f.top1, f.surprisal, f.surprisal_full};
}
probe::Fidelity fidelity(const Json& json) {
  return {json.at(0), json.at(1), json.at(2), json.at(3), json.at(4)};
}

Json question_json(const probe::QuestionFacts& one) {
  return {{"question", one.question},
          {"stated", one.stated},
          {"ger", one.ger},
          {"ger_layers", one.ger_layers},
          {"all_gone", one.all_gone},
          {"judgement", static_cast<int>(one.judgement)},
          {"outcome", static_cast<int>(one.outcome)},
          {"states", packed(one.pooled)}};
}

template <typename Enum>
Enum checked(int value, Enum last) {
  if (value < 0 || value > static_cast<int>(last)) fail(ErrorCode::bad_file, "an unknown kind");
  return static_cast<Enum>(value);
}

probe::QuestionFacts question(const Json& json, std::size_t questions) {
  probe::QuestionFacts one{.question = json.at("question"),
                           .stated = json.at("stated"),
                           .ger = json.at("ger"),
                           .ger_layers = json.at("ger_layers"),
                           .all_gone = json.at("all_gone"),
                           .judgement = checked(json.at("judgement"), probe::Judgement::wrong),
                           .outcome = checked(json.at("outcome"), probe::Outcome::kept),
                           .pooled = unpacked(json.at("states"))};
  if (one.question < 0 || one.question >= static_cast<Index>(questions))
    fail(ErrorCode::bad_file, "a question that the document does not have");
  return one;
}

}  // namespace

std::string facts_line(const std::string& key, const probe::Facts& facts) {
  Json json = {{"key", key}, {"task", facts.task}, {"document", facts.document}};
  json["tags"] = facts.tags;
  json["alone"] = Json::array();
  for (const auto& states : facts.alone) json["alone"].push_back(packed(states));
  json["arms"] = Json::array();
  for (const auto& arm : facts.arms) {
    Json one = {{"request", arm.request},
                {"ratio", number_or_null(arm.ratio)},
                {"removed", arm.removed},
                {"eviction", arm.eviction},
                {"ger_proxy", arm.ger_proxy},
                {"jaccard", arm.jaccard},
                {"routes", number_or_null(arm.routes)},
                {"head_diversity", arm.head_diversity},
                {"agreement", arm.agreement},
                {"replay", fidelity_json(arm.replay)},
                {"answers", fidelity_json(arm.answers)},
                {"questions", Json::array()}};
    for (const auto& question : arm.questions) one["questions"].push_back(question_json(question));
    json["arms"].push_back(std::move(one));
  }
  return json.dump();
}

KeyedFacts parse_facts(std::string_view line) {
  try {
    const Json json = Json::parse(line);
    KeyedFacts out{json.at("key"), {.task = json.at("task"), .document = json.at("document")}};
    out.facts.tags = json.at("tags").get<decltype(out.facts.tags)>();
    for (const auto& states : json.at("alone")) out.facts.alone.push_back(unpacked(states));
    if (out.facts.alone.size() != out.facts.tags.size())
      fail(ErrorCode::bad_file, "tags and states of different numbers of questions");
    for (const auto& one : json.at("arms")) {
      probe::ArmFacts& arm = out.facts.arms.emplace_back();
      arm.request = one.at("request");
      arm.ratio = number(one.at("ratio"));
      arm.removed = one.at("removed");
      arm.eviction = one.at("eviction");
      arm.ger_proxy = one.at("ger_proxy");
      arm.jaccard = one.at("jaccard");
      arm.routes = number(one.at("routes"));
      arm.head_diversity = one.at("head_diversity").get<std::vector<double>>();
      arm.agreement = one.at("agreement").get<std::vector<double>>();
      arm.replay = fidelity(one.at("replay"));
      arm.answers = fidelity(one.at("answers"));
      for (const auto& answer : one.at("questions"))
        arm.questions.push_back(question(answer, out.facts.tags.size()));
    }
    return out;
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::bad_file, fmt::format("no facts of pith probe: {}", error.what()));
  }
}

}  // namespace pith::cli
