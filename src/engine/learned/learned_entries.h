// Learned entries: the keys and values that a plan keeps, trained through the frozen model until it
// repeats the document from them (after Cartridges, Eyuboglu et al. 2025, arXiv 2506.06266, whose
// self-study is conversations that the model makes up). Which entries and how many is the plan's
// business; what they come to is written into it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/plan.h"
#include "engine/context.h"
#include "engine/learned/training.h"
#include "model/gradient.h"
#include "model/token_loss.h"

namespace pith {

// What is read behind the entries, and what its rows shall predict.
struct Lesson {
  std::vector<Token> tokens;
  std::vector<RowTarget> targets;  // [tokens]; empty for the rows of the prompt
};

struct LessonOptions {
  Index prefix_tokens = 0;           // chat template before the document
  Index length = 64;                 // document tokens that a lesson repeats
  std::vector<Token> answer_prompt;  // chat tokens between a question and its answer
  Index teacher = 20;  // targets are so many of the likeliest tokens behind the whole context, with
                       // their probabilities; 0: the document's own tokens
};

// Requests to repeat a stretch of the document, with the stretch. Each token is in two lessons, but
// for those at the ends: stretches begin half a length apart.
std::vector<Lesson> repetitions(const Context& whole, const LessonOptions& options);

class LearnedEntries {
 public:
  // Entries that `plan` keeps. Those of tokens before `trained_from`, and of lanes with a sliding
  // window, are fixed. Lessons are read from `position` on.
  LearnedEntries(Engine& engine, const cache::Cache& cache, const cache::Plan& plan,
                 Index trained_from, Index position);

  Index size() const;  // entries that are trained, of all lanes
  // All that is trained: lane by lane the keys (rotated) and then the values.
  std::vector<float> weights() const;
  void set(std::span<const float> weights);

  float forward(const Lesson& lesson);  // the loss
  std::vector<float> backward();        // its gradient, in the order of weights()

  // New keys and values of the lanes that are trained.
  void write(cache::Plan& plan) const;

 private:
  template <typename Lanes, typename Body>
  void each(Lanes& lanes, Body&& body) const;

  Engine& engine_;
  Index depth_;
  Index position_;
  PastLanes lanes_;
  std::vector<std::vector<Index>> trained_;  // [lanes]: entries
  GradientPass pass_;
  std::vector<float> gradient_;  // [R, E] of hidden states
};

struct LearningOptions {
  Index steps = 200;            // one lesson each, in an order that the seed draws for every round
  double learning_rate = 0.01;  // of Adam, falling to 0 over the steps
  std::uint64_t seed = 42;
};

// First and last loss are those of the first lesson. Where the report says diverged, or `on_step`
// returned false, the entries are what they were.
TrainingReport learn(LearnedEntries& entries, const std::vector<Lesson>& lessons,
                     const LearningOptions& options, const OnStep& on_step = {},
                     const Checkpoint& checkpoint = {});

}  // namespace pith
