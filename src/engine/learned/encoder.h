// An amortised encoder (proposed by S2, V. Kalugotla): a small network that gives the virtual
// tokens of a turn in one pass, in place of hundreds of steps of optimisation. Here are its weights
// and its file; encoder_pass.h computes, encoder_training.h finds the weights.
//
// Every token that gives way enters as its input embedding, its surprisal and its place in its
// chunk; a few transformer layers, in which tokens look at those near them on both sides, say how
// much of each token its chunk takes and what is to be added:
//
//     start_c = sum_t a_t x_t + scale W_out sum_t a_t z_t,     a = softmax over chunk c of z .
//     query
//
// x embeddings, z final hidden states. Query and W_out begin as zeros: then start_c is the plain
// mean, which is where S2's optimisation starts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith {

class Engine;

namespace recipe {
struct SignalNeeds;
}

struct EncoderShape {
  Index embedding = 0;          // E, of the model
  Index width = 192, ff = 768;  // of the encoder's own layers
  Index heads = 4, layers = 2;
  Index reach = 32;   // tokens to either side that a token looks at
  Index places = 16;  // places in a chunk, from its front and from its back, that are told apart
  friend bool operator==(const EncoderShape&, const EncoderShape&) = default;
};

// One array of weights: where it lies among all of them, and its shape; vectors have one row.
struct EncoderArray {
  std::string name;
  Index rows = 0, cols = 0;
  std::size_t offset = 0;
  std::size_t size() const { return static_cast<std::size_t>(rows * cols); }
};
std::vector<EncoderArray> encoder_arrays(const EncoderShape& shape);

struct EncoderWeights {
  EncoderShape shape;
  float scale = 1;  // root mean square of the model's embeddings: the unit of what is added
  std::vector<float> values;  // all arrays, one after the other

  // Seeded, query and W_out zero. Throws bad_input for a width that the heads do not divide.
  static EncoderWeights untrained(const EncoderShape& shape, float scale, std::uint64_t seed);
  std::uint64_t hash() const;
};

// What is known of an encoder beside its weights.
struct Encoder {
  EncoderWeights weights;
  std::string model_name;
  std::uint64_t model_hash = 0;
  double ratio = 2;  // tokens per virtual token that it was trained for
  std::string note;  // how it was trained, for people

  void save(const std::filesystem::path& path) const;
  // Throws not_found, bad_file; bad_input for one that was trained for another model.
  static Encoder load(const std::filesystem::path& path, const Engine& engine);
  static Encoder parse(std::string_view bytes, const std::string& name);
};

// What an encoder holds, for names of what it made; and what those of a recipe hold: "" without
// any. Throws as Encoder::load does.
std::string encoder_hash(const Encoder& encoder);
std::string encoder_hashes(const Engine& engine, const recipe::SignalNeeds& needs);

}  // namespace pith
