// Finds the weights of an encoder (encoder.h): turn after turn of the given texts, each on top of
// what the encoder itself made of the turns before it, by S2's loss through the frozen model or by
// distance to vectors that were optimised. It invents no text and shows nothing.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/learned/encoder.h"
#include "engine/learned/virtual_tokens.h"

namespace pith {

struct EncoderTraining {
  double ratio = 2;    // tokens per virtual token
  Index steps = 2000;  // of Adam, one per turn
  double rate = 1e-3;  // its learning rate: reached after kWarmup steps, then falling to zero
  Index turn = 250;    // tokens of a turn, at most; each document draws its own from an eighth up
  std::uint64_t seed = 42;
  Index distil = 0;  // > 0: the goal is what so many steps per 250 tokens make of the plain means
  std::filesystem::path vectors;     // folder that keeps those; empty: nowhere
  std::filesystem::path checkpoint;  // file from which a killed training goes on; empty: none
  double checkpoint_seconds = 60;
  EncoderShape shape;  // its embedding is the model's, whatever is said here
};

// Called after every step with steps done, steps to do and a running mean of the loss.
using OnTraining = std::function<void(Index, Index, float)>;

// The same texts, options and engine give the same bits, interrupted or not. Throws bad_input when
// the loss is no number any more, or for a checkpoint of another training.
Encoder train_encoder(const std::shared_ptr<Engine>& engine, const std::vector<std::string>& texts,
                      const EncoderTraining& options, const OnTraining& on_step = {});

// S2's loss of every turn of the texts, all turns as long as `options.turn` has them: at the starts
// that the encoder gives, or, without one, at the plain means.
std::vector<float> start_losses(const std::shared_ptr<Engine>& engine,
                                const std::vector<std::string>& texts,
                                const EncoderTraining& options, const EncoderWeights* encoder);

}  // namespace pith
