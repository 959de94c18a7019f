// The main job: a document is read once, every recipe gets a fork of that reading, and questions
// are answered from forks of the compressed cache. It prints nothing (run_report.h does) and knows
// no command line.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/process.h"
#include "engine/compress.h"
#include "engine/context.h"
#include "engine/generate.h"
#include "engine/guard/guard.h"
#include "engine/guard/span_replay.h"
#include "engine/keeper.h"
#include "engine/prompt.h"
#include "engine/reading.h"
#include "engine/schedule.h"
#include "recipe/recipe.h"

namespace pith::cli {

// What a compressed cache repeats of a sample of the document (engine/guard/span_replay.h).
struct Check {
  SpanDamage damage;
  Index spans = 0;
  double seconds = 0;  // the whole cache's own repetition, shared by all recipes, not included
};

// One recipe of a run, with the cache that it made.
struct Arm {
  std::string name;       // as given
  std::string canonical;  // presets expanded
  bool sees_question =
      false;  // then it is carried out once per question, and `context` stays empty
  bool oracle = false;
  bool keeps_full = false;               // routes again during the answer: the whole cache stays
  std::optional<recipe::Recipe> recipe;  // none for a cache that was loaded
  std::optional<Guard> guard;            // of a recipe @ auto, and what it chose
  std::optional<GuardChoice> choice;
  std::optional<Context> context;
  std::optional<Check> check;  // none of a cache that was not compressed, or not from a whole one
  CompressionReport report;
  double compress_seconds = 0;  // replay and guard included
  Index peak_bytes = 0;         // of its own reading, under the schedule chunk
};

struct Answer {
  Generated generated;
  CompressionReport report;
  double compress_seconds = 0;
  Index entries = 0, bytes = 0;  // of the cache before the question was read
  std::string stored_as;         // likewise
  Index peak_bytes =
      0;  // the most that this cache held: the whole reading, or compressed + question + answer
  Memory memory;  // of the process, after the answer
};

// The document of a file ("-": standard input) as a prompt; errors name the file.
DocumentPrompt make_prompt(const Engine& engine, const std::string& text, const std::string& file,
                           const std::string& system);

struct AnsweringOptions {
  Index room = 1;  // tokens that a question and its answer's first token take behind the document
  Schedule schedule = {};
  // Hold what each cache repeats of the document against the whole one, where there is one (not
  // under chunk:N) and the range has room for that, too.
  bool check = false;
  Progress reading = {}, replaying = {};
};

class Answering {
 public:
  explicit Answering(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}

  // Reads the document with every signal that a recipe needs, then compresses for all recipes that
  // do not look at the question. With a single one of those the full cache is given up. Throws
  // before reading when the model's range is too short for the document and the room after it.
  // Under the schedule chunk:N every recipe reads for itself and compresses as it goes.
  void read(const DocumentPrompt& prompt, const std::vector<recipe::Recipe>& recipes,
            const AnsweringOptions& options);

  // Takes a saved cache instead. Returns nothing but has one arm, whose recipe is what the file
  // says.
  void load(const std::filesystem::path& file);

  // `question` as tokens, with the chat's surroundings.
  Answer answer(Index arm, std::span<const Token> question, const GenerateOptions& options,
                const OnText& on_text);

  // What is known of a cache before any question: an answer without text.
  Answer unasked(const Arm& arm) const;

  const std::vector<Arm>& arms() const { return arms_; }
  Index context_tokens() const { return context_tokens_; }
  Index full_bytes() const { return full_bytes_; }  // of the whole document as a bf16 cache
  double read_seconds() const { return times_.read_seconds; }
  double replay_seconds() const { return times_.replay_seconds; }
  Index lanes() const { return engine_->cache_shape().lanes(); }
  const Memory& memory_after_reading() const { return after_reading_; }
  const Memory& memory_after_compression() const { return after_compression_; }
  const Engine& engine() const { return *engine_; }
  int threads() const { return engine_->pool().size(); }

  const Schedule& schedule() const { return schedule_; }

 private:
  std::optional<SpanReplay> draw_sample(const ReadOptions& options) const;
  void read_in_pieces(const DocumentPrompt& prompt, const Progress& reading);
  Generated write_rerouted(Context& context, const Arm& arm, std::span<const Token> question,
                           const GenerateOptions& options, const OnText& on_text);

  std::shared_ptr<Engine> engine_;
  Schedule schedule_;
  std::vector<Arm> arms_;
  std::optional<Context> full_;  // the whole reading, while some arm needs it
  recipe::Signals signals_;
  ReadTimes times_;
  Index context_tokens_ = 0;
  Index full_cache_bytes_ = 0;  // of the whole reading as stored
  Index full_bytes_ = 0;
  Memory after_reading_, after_compression_;
};

}  // namespace pith::cli
