#include "eval/predictions.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <tuple>
#include <unordered_set>

#include "base/error.h"
#include "base/files.h"

namespace pith::eval {
namespace {

using Json = nlohmann::json;

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
  return Json(prediction).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Prediction parse_line(std::string_view line) {
  try {
    return Json::parse(line).get<Prediction>();
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

std::string identity(const Prediction& prediction) {
  return prediction.suite + "/" + prediction.document + "/" + prediction.item;
}

std::vector<std::filesystem::path> prediction_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  const auto collect = [&](const std::filesystem::path& from, std::string_view prefix) {
    if (!std::filesystem::is_directory(from)) return;
    for (const auto& entry : std::filesystem::directory_iterator(from))
      if (entry.path().extension() == ".jsonl" &&
          entry.path().filename().string().starts_with(prefix))
        files.push_back(entry.path());
  };
  collect(folder, "predictions");
  collect(folder / "items", "");
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Prediction> unique_in_order(std::vector<Prediction> all) {
  std::unordered_set<std::string> seen;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (seen.insert(all[i].key + "/" + all[i].item).second) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(all[a].suite, all[a].document, a) < std::tie(all[b].suite, all[b].document, b);
  });
  std::vector<Prediction> sorted;
  sorted.reserve(order.size());
  for (std::size_t i : order) sorted.push_back(std::move(all[i]));
  return sorted;
}

std::vector<Prediction> read_run(const std::filesystem::path& folder) {
  std::vector<Prediction> all;
  for (const auto& file : prediction_files(folder))
    for (auto& prediction : read_predictions(file)) all.push_back(std::move(prediction));
  if (all.empty())
    fail(ErrorCode::not_found,
         fmt::format("{} holds no predictions; it must be the --out of a run of pith eval",
                     folder.string()));
  return unique_in_order(std::move(all));
}

PredictionLog::PredictionLog(const std::filesystem::path& folder, const std::filesystem::path& file)
    : path_(folder / file) {
  std::filesystem::create_directories(path_.parent_path());
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0)
    fail(ErrorCode::io, fmt::format("cannot write {}: {}", path_.string(), std::strerror(errno)));
  // Released by the system even if we are killed.
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    ::close(descriptor_);
    fail(ErrorCode::io, fmt::format("another process is writing {}; wait for it, or share the work "
                                    "with --shard I/N",
                                    path_.string()));
  }
  const std::string text = read_file(path_, Index{1} << 34);
  const auto end = text.rfind('\n');
  std::filesystem::resize_file(path_, end == std::string::npos ? 0 : end + 1);
  for (const auto& other : prediction_files(folder))
    for (const auto& prediction : read_predictions(other))
      bytes_.emplace(prediction.key + "/" + prediction.item, prediction.cache_bytes);
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
  bytes_.emplace(prediction.key + "/" + prediction.item, prediction.cache_bytes);
}

}  // namespace pith::eval
