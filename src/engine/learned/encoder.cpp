// File layout: safetensors (safetensors.h), an F32 array per weight matrix and "scale"; metadata
// says format, model, model_hash, the numbers of EncoderShape, ratio and note.
#include "engine/learned/encoder.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "base/rng.h"
#include "engine/calibration/calibration.h"
#include "engine/engine.h"
#include "engine/learned/safetensors.h"
#include "recipe/signals.h"

namespace pith {
namespace {

constexpr std::string_view kFormat = "pith encoder 1";
constexpr Index kMostNumber = 1 << 20;  // of any number of a shape

// The numbers of a shape under the names of the file's metadata.
template <typename Shape, typename F>
void each_number(Shape& shape, F&& f) {
  f("embedding", shape.embedding);
  f("width", shape.width);
  f("ff", shape.ff);
  f("heads", shape.heads);
  f("layers", shape.layers);
  f("reach", shape.reach);
  f("places", shape.places);
}

}  // namespace

std::vector<EncoderArray> encoder_arrays(const EncoderShape& shape) {
  std::vector<EncoderArray> out;
  std::size_t offset = 0;
  const auto add = [&](std::string name, Index rows, Index cols) {
    out.push_back({std::move(name), rows, cols, offset});
    offset += out.back().size();
  };
  const Index W = shape.width;
  add("input", W, shape.embedding);
  add("surprisal", 1, W);
  add("front", shape.places, W);
  add("back", shape.places, W);
  for (Index l = 0; l < shape.layers; ++l) {
    const auto layer = [&](std::string_view name, Index rows, Index cols) {
      add(fmt::format("layers.{}.{}", l, name), rows, cols);
    };
    layer("attention_norm", 1, W);
    layer("query", W, W);
    layer("key", W, W);
    layer("value", W, W);
    layer("distance", shape.heads, 2 * shape.reach + 1);
    layer("attention_output", W, W);
    layer("ffn_norm", 1, W);
    layer("up", shape.ff, W);
    layer("down", W, shape.ff);
  }
  add("norm", 1, W);
  add("pooling_query", 1, W);
  add("output", shape.embedding, W);
  return out;
}

EncoderWeights EncoderWeights::untrained(const EncoderShape& shape, float scale,
                                         std::uint64_t seed) {
  if (shape.heads < 1 || shape.width % shape.heads != 0)
    fail(ErrorCode::bad_input, fmt::format("an encoder of width {} cannot have {} heads: the width "
                                           "must be a multiple",
                                           shape.width, shape.heads));
  EncoderWeights out{shape, scale, {}};
  Rng rng(seed);
  for (const EncoderArray& array : encoder_arrays(shape)) {
    const bool norm = array.name.ends_with("norm");
    const bool zero = array.name == "pooling_query" || array.name == "output" ||
                      array.name == "surprisal" || array.name == "front" || array.name == "back" ||
                      array.name.ends_with("distance");
    const double deviation = 1 / std::sqrt(static_cast<double>(array.cols));
    for (std::size_t i = 0; i < array.size(); ++i)
      out.values.push_back(norm   ? 1.0f
                           : zero ? 0.0f
                                  : static_cast<float>(deviation * rng.normal()));
  }
  return out;
}

std::uint64_t EncoderWeights::hash() const {
  std::string numbers = fmt::format("{}", scale);
  each_number(shape, [&](const char*, Index n) { numbers += fmt::format("|{}", n); });
  return XXH3_64bits_withSeed(values.data(), values.size() * sizeof(float),
                              XXH3_64bits(numbers.data(), numbers.size()));
}

void Encoder::save(const std::filesystem::path& path) const {
  Safetensors out;
  out.metadata = {{"format", std::string(kFormat)},
                  {"model", model_name},
                  {"model_hash", fmt::format("{:016x}", model_hash)},
                  {"ratio", fmt::format("{}", ratio)},
                  {"note", note}};
  each_number(weights.shape,
              [&](const char* key, Index n) { out.metadata[key] = fmt::format("{}", n); });
  out.tensors["scale"] = {{}, {weights.scale}};
  for (const EncoderArray& array : encoder_arrays(weights.shape)) {
    const auto from = weights.values.begin() + static_cast<std::ptrdiff_t>(array.offset);
    out.tensors[array.name] = {{array.rows, array.cols},
                               {from, from + static_cast<std::ptrdiff_t>(array.size())}};
  }
  out.save(path);
}

Encoder Encoder::parse(std::string_view bytes, const std::string& name) {
  const Safetensors in = Safetensors::parse(bytes, name);
  const auto format = in.metadata.find("format");
  if (format == in.metadata.end() || format->second != kFormat)
    fail(ErrorCode::bad_file,
         fmt::format("{} is no encoder (its metadata does not say format \"{}\"); make one with: "
                     "pith calibrate --what encoder -m MODEL --out FILE",
                     name, kFormat));
  Encoder out;
  out.model_name = in.text("model", name);
  out.model_hash = in.number<std::uint64_t>("model_hash", name, 16);
  out.ratio = in.number<double>("ratio", name);
  out.note = in.text("note", name);
  each_number(out.weights.shape, [&](const char* key, Index& n) {
    n = in.number<Index>(key, name);
    if (n < 1 || n > kMostNumber)
      fail(ErrorCode::bad_file,
           fmt::format("{}: \"{}\" is {}; 1 to {} was expected", name, key, n, kMostNumber));
  });
  const EncoderShape& shape = out.weights.shape;
  if (shape.width % shape.heads != 0 || shape.layers > std::ssize(in.tensors))
    fail(ErrorCode::bad_file, fmt::format("{}: {} heads and {} layers do not fit its arrays", name,
                                          shape.heads, shape.layers));
  out.weights.scale = in.at("scale", {}, name).data[0];
  const auto arrays = encoder_arrays(shape);
  for (const EncoderArray& array : arrays) {
    const auto& data = in.at(array.name, {array.rows, array.cols}, name).data;
    out.weights.values.insert(out.weights.values.end(), data.begin(), data.end());
  }
  if (in.tensors.size() != arrays.size() + 1)
    fail(ErrorCode::bad_file, fmt::format("{} has arrays that no encoder has", name));
  const auto finite = [](float x) { return std::isfinite(x); };
  if (!finite(out.weights.scale) ||
      !std::all_of(out.weights.values.begin(), out.weights.values.end(), finite))
    fail(ErrorCode::bad_file, fmt::format("{} holds weights that are no numbers", name));
  return out;
}

Encoder Encoder::load(const std::filesystem::path& path, const Engine& engine) {
  Encoder out = parse(read_file(path), path.string());
  if (out.model_hash != engine.model().hash() ||
      out.weights.shape.embedding != engine.config().width)
    fail(ErrorCode::bad_input,
         fmt::format("{} was trained for another model ({}) than the one that is loaded ({}); make "
                     "one with: pith calibrate --what encoder -m {} --out FILE",
                     path.string(), out.model_name, engine.config().name, model_argument(engine)));
  return out;
}

std::string encoder_hash(const Encoder& encoder) {
  return fmt::format("|{:016x}", encoder.weights.hash());
}

std::string encoder_hashes(const Engine& engine, const recipe::SignalNeeds& needs) {
  std::string out;
  for (const std::string& file : needs.encoders) out += encoder_hash(Encoder::load(file, engine));
  return out;
}

}  // namespace pith
