// A training: numbers that Adam moves step by step, and how it stands, so that it can be stopped
// and go on to the same bits. What the numbers are and what they are trained for is their owner's
// business: the embeddings of virtual tokens (virtual_tokens.h), or keys and values of entries
// (learned_entries.h). Where trainings are kept is training_store.h.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/stopwatch.h"
#include "base/types.h"

namespace pith {

// Adam (Kingma and Ba 2015, arXiv 1412.6980) over one vector, with its moments; and with decoupled
// weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101).
struct Adam {
  explicit Adam(std::size_t size) : first(size), second(size) {}
  void step(std::span<const float> gradient, double learning_rate, std::span<float> x);

  std::vector<float> first, second;
  double first_power = 1, second_power = 1;
  double second_decay = 0.999, weight_decay = 0;  // settings, not state
};

// How a training stands. What else decides how it goes on (the goal, the rate, seeds) is not in it:
// it belongs to the name that the state is kept under.
struct TrainingState {
  Index step = 0;  // steps taken
  float first_loss = 0, last_loss = 0;
  std::vector<float> numbers = {};  // what is trained
  Adam adam{0};
  Index best_hits = -1;          // of a loss that counts hits: the most that an iterate had, ...
  std::vector<float> best = {};  // ... and its numbers; empty for other losses
};

struct TrainingReport {
  Index steps = 0;
  float first_loss = 0, last_loss = 0;
  bool diverged = false;  // not a finite number: what was trained stays as it was before

  // Whether it ended above where it began, or at no number at all.
  bool failed() const { return diverged || last_loss > first_loss; }
};

// Called after every step with steps done, steps to do and the loss; false stops, and what was
// trained stays as it was before.
using OnStep = std::function<bool(Index, Index, float)>;

// Where a training goes on and what is told of it on the way: now and then, and at its end.
struct Checkpoint {
  std::optional<TrainingState> state;
  std::function<void(const TrainingState&)> keep;
  double seconds = 60;  // between two calls
};

// When a checkpoint is due. The state that a training begins from is not told again.
class CheckpointClock {
 public:
  CheckpointClock(const Checkpoint& checkpoint, Index begun)
      : checkpoint_(checkpoint), begun_(begun) {}
  void tell(const TrainingState& state, bool ends);

 private:
  const Checkpoint& checkpoint_;
  Index begun_;
  Stopwatch kept_;
};

}  // namespace pith
