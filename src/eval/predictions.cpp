#include "eval/predictions.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"

namespace pith::eval {
namespace {

using Json = nlohmann::json;

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
  json["peak_bytes"] = prediction.peak_bytes;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Prediction parse_line(std::string_view line) {
  try {
    const Json json = Json::parse(line);
    Prediction prediction = json.get<Prediction>();
    prediction.peak_bytes = json.value("peak_bytes", Index{0});
    return prediction;
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::bad_file, fmt::format("not a prediction: {}", error.what()));
  }
}

std::vector<Prediction> read_predictions(const std::filesystem::path& path) {
  const std::string text = read_file(path, Index{1} << 34);
  std::vector<Prediction> predictions;
  Index number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = text.find('\n', begin);
    if (end == std::string::npos) break;  // a torn line: the run was killed while it wrote
    ++number;
    try {
      predictions.push_back(parse_line(std::string_view(text).substr(begin, end - begin)));
    } catch (const Error& error) {
      fail(ErrorCode::bad_file, fmt::format("{}:{}: {}", path.string(), number, error.what()));
    }
    begin = end + 1;
  }
  return predictions;
}

PredictionLog::PredictionLog(const std::filesystem::path& path) : path_(path) {
  if (std::filesystem::exists(path)) {
    for (const auto& prediction : read_predictions(path))
      done_.insert(prediction.key + "/" + prediction.item);
    const std::string text = read_file(path, Index{1} << 34);
    const auto end = text.rfind('\n');
    std::filesystem::resize_file(path, end == std::string::npos ? 0 : end + 1);
  }
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0)
    fail(ErrorCode::io, fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)));
}

PredictionLog::~PredictionLog() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void PredictionLog::add(const Prediction& prediction) {
  const std::string line = to_line(prediction) + "\n";
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t written = ::write(descriptor_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      fail(ErrorCode::io, fmt::format("cannot write {}: {}; free some space and run the same "
                                      "command again, it goes on from here",
                                      path_.string(), std::strerror(errno)));
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  done_.insert(prediction.key + "/" + prediction.item);
}

}  // namespace pith::eval
