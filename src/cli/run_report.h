// How the main job is shown: answers grouped by question, a table of what each recipe cost, or one
// JSON object per answer or cache. It computes no answers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/answering.h"
#include "cli/output.h"

namespace pith::cli {

// An answer is right when it contains one of the expected texts (alternatives are separated by " |
// "), ignoring case and runs of blanks, and not within a word or number.
bool is_right(std::string_view answer, std::string_view expected);

// Prints a text as it comes, with later lines indented and blanks at the very beginning left out.
class IndentedText {
 public:
  explicit IndentedText(Index indent) : indent_(indent) {}
  void push(std::string_view text);

 private:
  Index indent_;
  bool begun_ = false;
};

class RunReport {
 public:
  // `expected` is empty, or has one line per question; an empty one judges nothing.
  RunReport(const Answering& answering, std::string model, std::vector<std::string> questions,
            std::vector<std::string> expected, bool json);

  void document(std::string_view name) const;  // what was read, and how long it took
  void question(Index question) const;
  void begin_answer(Index arm) const;
  void answer(Index question, Index arm, const Answer& answer);
  void caches() const;  // as JSON, where there are no answers
  void table() const;

  IndentedText answer_text() const { return IndentedText(label_width() + 4); }

 private:
  struct Totals {
    Index answers = 0, judged = 0, right = 0, steps = 0, entries = 0, bytes = 0, peak_bytes = 0;
    double compress_seconds = 0, decode_seconds = 0;
    std::string stored_as;  // of the last answer
  };
  std::string label(const Arm& arm) const;
  Index label_width() const;
  void choices() const;  // the guard's, one line each
  void checks() const;   // of caches, one line each
  // What such caches of the model lost, where that was measured; else null.
  const Precedent* find_precedent(const Check& check) const;
  // What the answer to a question is judged by; empty: by nothing.
  std::string expected(Index question) const;
  void add_recipe(Json& json, const Arm& arm) const;
  void add_cache(Json& json, const Answer& answer) const;
  void add_engine(Json& json) const;
  void put_answer_json(Index question, const Arm& arm, const Answer& answer) const;
  void footnotes() const;

  const Answering& answering_;
  std::string model_;  // as the user calls it
  std::vector<std::string> questions_, expected_;
  bool json_;
  std::vector<Totals> totals_;  // [arms]
};

}  // namespace pith::cli
