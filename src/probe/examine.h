// The examination: reads a document once, compresses it by every recipe of a list, asks every
// question of every cache, and fills a report. What the figures are is in the other files of this
// layer; what they look like is up to the command.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/prompt.h"
#include "probe/places.h"
#include "probe/report.h"
#include "recipe/recipe.h"

namespace pith::probe {

struct ArmRequest {
  Index series = 0;
  double ratio = 0;  // on the grid, for curves; nan without one
  recipe::Recipe recipe;
};

struct Question {
  std::string text;
  std::string answer;         // the right one, " | " between alternatives; empty: not known
  std::string answer_prefix;  // the beginning of the answer, given to the model
  std::optional<std::vector<Bytes>> places;  // of the text that state it; none: they are searched
  std::optional<Index> max_tokens = {};      // of its answer; none: as the options say
};

struct ExamineOptions {
  std::vector<std::string> series;  // names
  std::vector<ArmRequest> arms;  // by series, ascending ratios; recipes that look at the question
                                 // are carried out for each question on its own
  std::vector<Question> questions;
  std::function<Judgement(Index question, std::string_view text)> judge;  // none: unjudged
  Index max_tokens = 32;          // of an answer to a question that says nothing else
  Index replay_tokens = 128;      // that are repeated; 0: no replay
  double epsilon = 0;             // of the graphs; 0: 1 / (2 T)
  bool questions_alone = false;   // read each question without the text, too: a control for
                                  // probing classifiers
  bool question_in_text = false;  // the text ends in the only question: nothing but the template's
                                  // end follows (kvpress' question-aware mode)
  bool graphs = true;             // reachability and routes, if there are answers to look for
  std::function<void(std::string_view step, Index done, Index total)> progress;
};

Report examine(const std::shared_ptr<Engine>& engine, std::string_view text,
               const DocumentPrompt& prompt, const ExamineOptions& options);

}  // namespace pith::probe
