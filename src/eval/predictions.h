// The record of a run: one JSON line per answered item, appended as it happens, so that a killed
// run loses nothing and repeats nothing. It judges nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/types.h"

namespace pith::eval {

struct Prediction {
  std::string key;  // hash of everything that decides the answer: model, numerics, suite settings,
                    // document, recipe
  std::string suite, task, document, item;
  std::string recipe;     // as given
  std::string canonical;  // presets expanded
  bool sees_question = false, oracle = false;
  std::string question, answer_prefix, answer;
  std::vector<std::string> references;
  double score = 0;
  std::string failure;  // "none" for a right answer
  bool exact = false, contained = false;
  bool ended = true;
  Index context_tokens = 0, answer_tokens = 0;
  Index entries = 0, cache_bytes = 0, full_bytes = 0;
  Index peak_bytes = 0;  // of the cache while it was read; 0 in files from before it was noted
  double prefill_s = 0, replay_s = 0, compress_s = 0, decode_s = 0;
  std::map<std::string, std::string> tags;

  double ratio() const {
    return cache_bytes > 0 ? static_cast<double>(full_bytes) / static_cast<double>(cache_bytes) : 0;
  }
};

// 64 bits of a text, as 16 hexadecimal digits.
std::string hash_of(std::string_view text);

// One line, without its end. parse(to_line(p)) == p; throws bad_file for what is no prediction.
std::string to_line(const Prediction& prediction);
Prediction parse_line(std::string_view line);

// All predictions of a file. A torn last line (of a killed run) is left out; any other bad line
// throws bad_file with its number.
std::vector<Prediction> read_predictions(const std::filesystem::path& path);

// Appends to a file of predictions. Opening it cuts off a torn last line and remembers what is
// there.
class PredictionLog {
 public:
  explicit PredictionLog(const std::filesystem::path& path);
  ~PredictionLog();
  PredictionLog(const PredictionLog&) = delete;
  PredictionLog& operator=(const PredictionLog&) = delete;

  bool has(const std::string& key, const std::string& item) const {
    return done_.contains(key + "/" + item);
  }
  Index size() const { return std::ssize(done_); }
  void add(const Prediction& prediction);  // on the disk's way in one write when this returns

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::unordered_set<std::string> done_;
};

}  // namespace pith::eval
