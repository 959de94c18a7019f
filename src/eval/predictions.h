// The record of a run: one JSON line per answered item, appended as it happens, so that a killed
// run loses nothing and repeats nothing. It judges nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/types.h"
#include "engine/guard/span_damage.h"
#include "eval/line_file.h"
#include "eval/survival.h"

namespace pith::eval {

struct Prediction {
  std::string key;  // hash of everything that decides the answer: model, numerics, suite settings,
                    // document, recipe
  std::string suite, task, document, item;
  std::string recipe;     // as given
  std::string canonical;  // presets expanded; what arms are told apart by
  std::string twin;       // random, recency or spaced if this is a twin; otherwise empty
  std::string twin_of;    // canonical recipe whose bytes it has
  std::string applied;    // the recipe that was carried out: a twin's budget differs by document
  bool sees_question = false, oracle = false;
  std::string question, answer_prefix, answer;
  std::vector<std::string> references;
  double score = 0;
  std::string failure;  // "none" for a right answer
  bool exact = false, contained = false;
  bool ended = true;
  Index context_tokens = 0, answer_tokens = 0;
  Index entries = 0, cache_bytes = 0, full_bytes = 0;
  Index cold_bytes = 0;  // of a whole cache that the arm keeps aside; not among cache_bytes
  double prefill_s = 0, replay_s = 0, compress_s = 0, decode_s = 0;
  std::map<std::string, std::string> tags;
  std::string document_hash;  // DocumentRecord::hash
  // What became of the tokens that state the answer, and of the support, in this cache; none in
  // lines of older runs. Written flat: answer_kept, answer_evicted, ..., support_kept, ...
  std::optional<Survival> answer_source, support_source;
  std::optional<SpanDamage> check;  // of the cache, where the run measures it: check_missed, ...

  double ratio() const {
    return cache_bytes > 0 ? static_cast<double>(full_bytes) / static_cast<double>(cache_bytes) : 0;
  }
};

// 64 bits of a text, as 16 hexadecimal digits.
std::string hash_of(std::string_view text);

// One line, without its end. parse(to_line(p)) == p; throws bad_file for what is no prediction.
std::string to_line(const Prediction& prediction);
Prediction parse_line(std::string_view line);

// What a prediction answers: suite, document and item; and the first two.
std::string identity(const Prediction& prediction);
std::string document_of(const Prediction& prediction);
// Whether two answers of one identity are to the same text and question, with the same references.
// Lines of older runs do not know their text.
bool same_item(const Prediction& a, const Prediction& b);

// All predictions of a file. A torn last line (of a killed run) is left out; any other bad line
// throws bad_file with its number.
std::vector<Prediction> read_predictions(const std::filesystem::path& path);

// The files of predictions in a run's folder: predictions.jsonl, those of shards and of single work
// items.
std::vector<std::filesystem::path> prediction_files(const std::filesystem::path& folder);
bool holds_predictions(const std::filesystem::path& folder);
// Each prediction once, by suite and document, then by arms as they first came, then in the order
// given. Of an arm's answers to a document those with the key of the last one hold: something that
// decides them, a calibration or the questions, has changed since the others.
std::vector<Prediction> latest_in_order(std::vector<Prediction> predictions);
// All predictions of a run, each once, by suite and document and then as they were written. Throws
// not_found when there are none, and bad_input when two files hold answers of an arm to a document
// with different keys: nothing says which are the later ones.
std::vector<Prediction> read_run(const std::filesystem::path& folder);
// The same of several runs at once.
std::vector<Prediction> read_runs(std::span<const std::filesystem::path> folders);

// Appends to one file of a run's folder. Opening it cuts off a torn last line, remembers what all
// files of the folder hold (of each the latest), and keeps other processes from writing the same
// file; io if one does. Adding throws bad_input where read_run() would.
class PredictionLog {
 public:
  PredictionLog(const std::filesystem::path& folder, const std::filesystem::path& file);

  bool has(const std::string& key, const std::string& item) const {
    return bytes_.contains(key + "/" + item);
  }
  // The bytes of the cache that gave this answer, which must be there.
  Index cache_bytes(const std::string& key, const std::string& item) const {
    return bytes_.at(key + "/" + item);
  }
  Index size() const { return std::ssize(bytes_); }
  void add(const Prediction& prediction);  // on the disk's way in one write when this returns

 private:
  std::filesystem::path path_;
  LineFile file_;
  std::unordered_map<std::string, Index> bytes_;
  struct Elsewhere {
    std::string key;
    std::filesystem::path file;
  };
  std::unordered_map<std::string, Elsewhere> elsewhere_;  // in other files, by arm and document
};

}  // namespace pith::eval
