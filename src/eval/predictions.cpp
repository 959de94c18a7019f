#include "eval/predictions.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace pith::eval {
namespace {

using Json = nlohmann::json;

// Shares of layers and tokens are written in whole percent, and of the first tokens only: some
// answers stand in hundreds of places.
constexpr std::size_t kTokensShown = 64;

std::vector<int> percents(const std::vector<double>& shares) {
  std::vector<int> result;
  for (const double share : shares) result.push_back(static_cast<int>(std::lround(100 * share)));
  return result;
}

std::vector<double> shares(const Json& list) {
  std::vector<double> result;
  for (const auto& percent : list.get<std::vector<int>>()) result.push_back(percent / 100.0);
  return result;
}

void add_survival(Json& json, const std::string& what, const Survival& survival) {
  json[what + "_source_tokens"] = survival.tokens;
  if (survival.tokens == 0) return;  // an answer that the document does not state
  json[what + "_kept"] = survival.kept;
  json[what + "_summarised"] = survival.summarised;
  json[what + "_evicted"] = survival.evicted;
  json[what + "_layers"] = survival.layers;
  json[what + "_kept_by_layer"] = percents(survival.kept_by_layer);
  std::vector<int> tokens = percents(survival.kept_by_token);
  tokens.resize(std::min(tokens.size(), kTokensShown));
  json[what + "_kept_by_token"] = tokens;
}

std::optional<Survival> survival_of(const Json& json, const std::string& what) {
  if (!json.contains(what + "_source_tokens")) return std::nullopt;
  if (json.at(what + "_source_tokens") == 0) return Survival{};
  return Survival{.tokens = json.at(what + "_source_tokens"),
                  .kept = json.at(what + "_kept"),
                  .summarised = json.at(what + "_summarised"),
                  .evicted = json.at(what + "_evicted"),
                  .layers = json.at(what + "_layers"),
                  .kept_by_layer = shares(json.at(what + "_kept_by_layer")),
                  .kept_by_token = shares(json.at(what + "_kept_by_token"))};
}

}  // namespace

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Prediction, key, suite, task, document, item, recipe, canonical,
                                   sees_question, oracle, question, answer_prefix, answer,
                                   references, score, failure, exact, contained, ended,
                                   context_tokens, answer_tokens, entries, cache_bytes, full_bytes,
                                   prefill_s, replay_s, compress_s, decode_s, tags)

std::string hash_of(std::string_view text) {
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

std::string to_line(const Prediction& prediction) {
  Json json = prediction;
  json["document_hash"] = prediction.document_hash;
  if (prediction.answer_source) add_survival(json, "answer", *prediction.answer_source);
  if (prediction.support_source) add_survival(json, "support", *prediction.support_source);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Prediction parse_line(std::string_view line) {
  try {
    const Json json = Json::parse(line);
    Prediction prediction = json.get<Prediction>();
    prediction.document_hash = json.value("document_hash", "");
    prediction.answer_source = survival_of(json, "answer");
    prediction.support_source = survival_of(json, "support");
    return prediction;
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::bad_file, fmt::format("not a prediction: {}", error.what()));
  }
}

std::vector<Prediction> read_predictions(const std::filesystem::path& path) {
  std::vector<Prediction> predictions;
  for_each_whole_line(path,
                      [&](std::string_view line) { predictions.push_back(parse_line(line)); });
  return predictions;
}

PredictionLog::PredictionLog(const std::filesystem::path& path) : file_(path) {
  for (const auto& prediction : read_predictions(path))
    done_.insert(prediction.key + "/" + prediction.item);
}

void PredictionLog::add(const Prediction& prediction) {
  file_.add(to_line(prediction));
  done_.insert(prediction.key + "/" + prediction.item);
}

}  // namespace pith::eval
