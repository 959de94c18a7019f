// One document with all its recipes, twins and questions: read once, forked for each. It knows
// nothing of runs, shards and other documents.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/compress.h"
#include "engine/engine.h"
#include "engine/generate.h"
#include "engine/guard/guard.h"
#include "engine/prompt.h"
#include "eval/arms.h"
#include "eval/predictions.h"
#include "eval/run_config.h"
#include "eval/runner.h"
#include "recipe/recipe.h"

namespace pith::eval {

// Raise it when the same settings would give other answers or scores than before: it is part of
// every prediction's key, and of what pith probe and the guard's calibration keep.
inline constexpr int kAnswersVersion = 7;

// What of a config and a model decides answers, but for the recipe, the document and the question.
std::string settings_of(const Engine& engine, const RunConfig& config);

// What is told while a document is at work; either may be empty.
struct DocumentListener {
  std::function<void()> on_answers = {};  // some were written
  std::function<void(const std::string& doing, Index step, Index steps)> on_step = {};
};

class DocumentRunner {
 public:
  DocumentRunner(std::shared_ptr<Engine> engine, const RunConfig& config, PredictionLog& log,
                 DocumentListener listener = {});

  // Answers what the log does not hold. Returns whether that was anything.
  bool run(const std::string& suite, const Document& document);

  RunSummary& summary() { return summary_; }

 private:
  struct Arm;
  struct Ask;
  struct Reading;

  std::string key(const Reading& reading, const ArmLabel& label) const;
  std::vector<const Item*> missing(const Reading& reading, const ArmLabel& label) const;
  Index missing(const Reading& reading) const;

  Progress told(const std::string& doing) const;
  bool run_reading(Reading& reading);
  void read(Reading& reading);
  void ask_arms(Reading& reading);
  void ask_twins(Reading& reading);
  void answer(Reading& reading, std::vector<Ask>& asks);
  bool any_to_check(const Reading& reading) const;
  void draw_sample(Reading& reading);
  Arm make_arm(Reading& reading, const Ask& ask);
  Arm compress_arm(Reading& reading, const Ask& ask);
  CompressionReport read_scheduled(const Reading& reading, const Ask& ask, Context& context);
  GenerateJob begin(Reading& reading, Ask& ask, const Arm& arm);
  void record(const Reading& reading, const Ask& ask, const Generated& generated);

  std::shared_ptr<Engine> engine_;
  const RunConfig& config_;
  std::string settings_;
  std::vector<RunArm> arms_;
  Index arm_count_;                      // with twins
  std::map<std::string, Guard> guards_;  // of recipes @ auto, by canonical recipe
  // What of files an arm's answers depend on (calibrations, encoders), by its canonical name.
  std::map<std::string, std::string> inputs_;
  PredictionLog& log_;
  DocumentListener listener_;
  RunSummary summary_;
};

}  // namespace pith::eval
