#include "eval/predictions.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "base/error.h"

namespace pith::eval {
namespace {

using Json = nlohmann::json;

// Shares of layers and tokens are written in whole percent, one at least of what is not nothing,
// and of the first tokens only: some answers stand in hundreds of places.
constexpr std::size_t kTokensShown = 64;

std::vector<int> percents(const std::vector<double>& shares) {
  std::vector<int> result;
  for (const double share : shares)
    result.push_back(std::max(share > 0 ? 1 : 0, static_cast<int>(std::lround(100 * share))));
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
  json[what + "_in_summaries"] = survival.in_summaries;
  json[what + "_layers"] = survival.layers;
  json[what + "_kept_by_layer"] = percents(survival.kept_by_layer);
  std::vector<int> tokens = percents(survival.kept_by_token);
  tokens.resize(std::min(tokens.size(), kTokensShown));
  json[what + "_kept_by_token"] = tokens;
}

std::optional<Survival> survival_of(const Json& json, const std::string& what) {
  if (!json.contains(what + "_source_tokens")) return std::nullopt;
  if (json.at(what + "_source_tokens") == 0) return Survival{};
  Survival survival{.tokens = json.at(what + "_source_tokens"),
                    .kept = json.at(what + "_kept"),
                    .summarised = json.at(what + "_summarised"),
                    .evicted = json.at(what + "_evicted"),
                    .in_summaries = json.value(what + "_in_summaries", Index{0}),
                    .layers = json.at(what + "_layers"),
                    .kept_by_layer = shares(json.at(what + "_kept_by_layer")),
                    .kept_by_token = shares(json.at(what + "_kept_by_token"))};
  // Older lines do not say: a token without an exact entry is in a summary, if there are any.
  if (!json.contains(what + "_in_summaries") && survival.summarised > 0)
    survival.in_summaries =
        std::count(survival.kept_by_token.begin(), survival.kept_by_token.end(), 0.0);
  return survival;
}

void add_check(Json& json, const SpanDamage& check) {
  json["check_missed"] = check.missed;
  json["check_rise"] = check.rise;
  json["check_worst"] = check.worst;
  json["check_routes"] = check.routes;
  json["check_known"] = check.known;
}

std::optional<SpanDamage> check_of(const Json& json) {
  if (!json.contains("check_missed")) return std::nullopt;
  const auto number = [&](const char* name) {  // JSON has null for what is none
    const Json& value = json.at(name);
    return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
  };
  return SpanDamage{.rise = number("check_rise"),
                    .worst = number("check_worst"),
                    .missed = number("check_missed"),
                    .routes = number("check_routes"),
                    .known = number("check_known")};
}

// What has one key at a time: an arm's answers to a document.
std::string answers_of(const Prediction& p) { return p.canonical + "\n" + document_of(p); }

[[noreturn]] void fail_apart(const std::filesystem::path& one, const std::filesystem::path& other,
                             const Prediction& p) {
  fail(ErrorCode::bad_input,
       fmt::format("{} and {} hold answers of \"{}\" to {} that different things decided (a "
                   "calibration, an encoder or the questions have changed between them), and "
                   "nothing says which holds; move the older file away and run again",
                   one.string(), other.string(), p.recipe, identity(p)));
}

// All that the files of a folder hold, of each file the latest.
template <typename Take>
void read_folder(const std::filesystem::path& folder, Take&& take) {
  for (const auto& file : prediction_files(folder))
    for (auto& prediction : latest_in_order(read_predictions(file)))
      take(std::move(prediction), file);
}

}  // namespace

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Prediction, key, suite, task, document, item, recipe, canonical,
                                   twin, twin_of, applied, sees_question, oracle, question,
                                   answer_prefix, answer, references, score, failure, exact,
                                   contained, ended, context_tokens, answer_tokens, entries,
                                   cache_bytes, full_bytes, prefill_s, replay_s, compress_s,
                                   decode_s, tags)

std::string hash_of(std::string_view text) {
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

std::string to_line(const Prediction& prediction) {
  Json json = prediction;
  json["document_hash"] = prediction.document_hash;
  json["cold_bytes"] = prediction.cold_bytes;
  if (prediction.answer_source) add_survival(json, "answer", *prediction.answer_source);
  if (prediction.support_source) add_survival(json, "support", *prediction.support_source);
  if (prediction.check) add_check(json, *prediction.check);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Prediction parse_line(std::string_view line) {
  try {
    Json json = Json::parse(line);
    for (const char* later : {"twin", "twin_of", "applied"})  // not in lines of older runs
      if (json.is_object() && !json.contains(later)) json[later] = "";
    Prediction prediction = json.get<Prediction>();
    prediction.document_hash = json.value("document_hash", "");
    prediction.cold_bytes = json.value("cold_bytes", Index{0});  // not in lines of older runs
    prediction.answer_source = survival_of(json, "answer");
    prediction.support_source = survival_of(json, "support");
    prediction.check = check_of(json);
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

std::string identity(const Prediction& prediction) {
  return document_of(prediction) + "/" + prediction.item;
}

std::string document_of(const Prediction& prediction) {
  return prediction.suite + "/" + prediction.document;
}

bool same_item(const Prediction& a, const Prediction& b) {
  const bool text =
      a.document_hash.empty() || b.document_hash.empty() || a.document_hash == b.document_hash;
  return text && a.question == b.question && a.references == b.references;
}

std::vector<std::filesystem::path> prediction_files(const std::filesystem::path& folder) {
  return line_files(folder, "predictions", "items");
}

bool holds_predictions(const std::filesystem::path& folder) {
  const auto files = prediction_files(folder);
  return std::any_of(files.begin(), files.end(),
                     [](const auto& file) { return std::filesystem::file_size(file) > 0; });
}

std::vector<Prediction> latest_in_order(std::vector<Prediction> all) {
  struct Answers {
    std::size_t first;  // of their lines
    std::string key;    // the latest
  };
  std::unordered_map<std::string, Answers> arms;
  for (std::size_t i = 0; i < all.size(); ++i)
    arms.try_emplace(answers_of(all[i]), Answers{i, ""}).first->second.key = all[i].key;
  std::unordered_set<std::string> seen;
  std::vector<std::pair<std::size_t, std::size_t>> order;  // the first of the arm's lines, the line
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Answers& answers = arms.at(answers_of(all[i]));
    if (all[i].key == answers.key && seen.insert(all[i].key + "/" + all[i].item).second)
      order.emplace_back(answers.first, i);
  }
  std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    return std::tie(all[a.second].suite, all[a.second].document, a) <
           std::tie(all[b.second].suite, all[b.second].document, b);
  });
  std::vector<Prediction> sorted;
  sorted.reserve(order.size());
  for (const auto& [first, i] : order) sorted.push_back(std::move(all[i]));
  return sorted;
}

std::vector<Prediction> read_run(const std::filesystem::path& folder) {
  return read_runs(std::span(&folder, 1));
}

std::vector<Prediction> read_runs(std::span<const std::filesystem::path> folders) {
  std::vector<Prediction> all;
  std::unordered_map<std::string, std::pair<std::string, std::filesystem::path>> keys;
  for (const auto& folder : folders) {
    const std::size_t before = all.size();
    read_folder(folder, [&](Prediction prediction, const std::filesystem::path& file) {
      const auto& known =
          keys.try_emplace(answers_of(prediction), prediction.key, file).first->second;
      if (known.first != prediction.key) fail_apart(known.second, file, prediction);
      all.push_back(std::move(prediction));
    });
    if (all.size() == before)
      fail(ErrorCode::not_found,
           fmt::format("{} holds no predictions; it must be the --out of a run of pith eval",
                       folder.string()));
  }
  return latest_in_order(std::move(all));
}

PredictionLog::PredictionLog(const std::filesystem::path& folder, const std::filesystem::path& file)
    : path_(folder / file), file_(path_) {
  read_folder(folder, [&](const Prediction& prediction, const std::filesystem::path& from) {
    bytes_.emplace(prediction.key + "/" + prediction.item, prediction.cache_bytes);
    if (from != path_) elsewhere_.emplace(answers_of(prediction), Elsewhere{prediction.key, from});
  });
}

void PredictionLog::add(const Prediction& prediction) {
  if (const auto other = elsewhere_.find(answers_of(prediction));
      other != elsewhere_.end() && other->second.key != prediction.key)
    fail_apart(other->second.file, path_, prediction);
  file_.add(to_line(prediction));
  bytes_.emplace(prediction.key + "/" + prediction.item, prediction.cache_bytes);
}

}  // namespace pith::eval
