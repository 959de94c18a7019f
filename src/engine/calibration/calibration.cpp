// File layout, little-endian:
//   "PITHCAL1", u64 length of the payload, u64 XXH3 of the payload, payload
//   payload = u64 model hash, string name, string note, u64 arrays, then each by ascending name
//   array   = string name, u64 dimensions, i64 each, f32 values
// Strings are those of base/byte_stream.h.
#include "engine/calibration/calibration.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <cmath>
#include <span>

#include "base/byte_stream.h"
#include "base/error.h"
#include "base/files.h"
#include "engine/engine.h"
#include "recipe/signal_kinds.h"
#include "recipe/signals.h"

namespace pith {
namespace {

constexpr std::string_view kMagic = "PITHCAL1";
constexpr std::uint64_t kMostDimensions = 8;

ByteReader reader(std::span<const std::byte> bytes, const std::string& name) {
  return {bytes, name, "delete it and run `pith calibrate` again"};
}

CalibratedArray read_array(ByteReader& in) {
  CalibratedArray array;
  const auto dimensions = in.number<std::uint64_t>();
  if (dimensions > kMostDimensions) in.damaged("an array has too many dimensions");
  std::uint64_t count = 1;
  for (std::uint64_t d = 0; d < dimensions; ++d) {
    array.shape.push_back(in.number<std::int64_t>());
    if (array.shape.back() < 0 ||
        (array.shape.back() > 0 &&
         count > static_cast<std::uint64_t>(in.left() / array.shape.back())))
      in.damaged("an array is longer than the file");
    count *= static_cast<std::uint64_t>(array.shape.back());
  }
  array.data = in.values<float>(count);
  for (const float x : array.data)
    if (!std::isfinite(x)) in.damaged("an array holds something that is no finite number");
  return array;
}

}  // namespace

const CalibratedArray& Calibration::at(std::string_view name, std::span<const Index> shape) const {
  const auto found = arrays.find(name);
  if (found == arrays.end())
    fail(ErrorCode::not_found,
         fmt::format("the calibration of {} has no {}; make it again: pith calibrate -m {}",
                     model_name, name, model_argument));
  if (!std::equal(shape.begin(), shape.end(), found->second.shape.begin(),
                  found->second.shape.end()))
    fail(ErrorCode::bad_file,
         fmt::format("the calibration of {} has {} in shape [{}] where [{}] is expected; make it "
                     "again: pith calibrate -m {}",
                     model_name, name, fmt::join(found->second.shape, ", "), fmt::join(shape, ", "),
                     model_argument));
  return found->second;
}

void Calibration::save(const std::filesystem::path& path) const {
  ByteWriter out;
  out.number(model_hash);
  out.string(model_name);
  out.string(note);
  out.number<std::uint64_t>(arrays.size());
  for (const auto& [name, array] : arrays) {
    out.string(name);
    out.array(std::span(array.shape));
    out.bytes(array.data.data(), array.data.size() * sizeof(float));
  }
  const std::string& payload = out.payload();
  ByteWriter head;
  head.bytes(kMagic.data(), kMagic.size());
  head.number<std::uint64_t>(payload.size());
  head.number<std::uint64_t>(XXH3_64bits(payload.data(), payload.size()));
  FileWriter writer(path);
  writer.write(head.payload());
  writer.write(payload);
  writer.commit();
}

Calibration Calibration::load(const std::filesystem::path& path) {
  return parse(read_file(path), path.string());
}

Calibration Calibration::parse(std::string_view bytes, const std::string& name) {
  if (bytes.substr(0, kMagic.size()) != kMagic)
    fail(ErrorCode::bad_file,
         fmt::format("{} is not a calibration (expected it to begin with {})", name, kMagic));
  ByteReader head = reader(std::as_bytes(std::span(bytes.substr(kMagic.size()))), name);
  const auto length = head.number<std::uint64_t>(), hash = head.number<std::uint64_t>();
  const auto payload = head.bytes(length);
  head.end();
  head.expect(XXH3_64bits(payload.data(), payload.size()) == hash, "its checksum differs");
  ByteReader in = reader(payload, name);
  Calibration out;
  out.contents = hash;
  out.model_hash = in.number<std::uint64_t>();
  out.model_name = in.string();
  out.note = in.string();
  for (auto left = in.number<std::uint64_t>(); left > 0; --left) {
    std::string array = in.string();
    out.arrays.emplace(std::move(array), read_array(in));
  }
  in.end();
  return out;
}

Calibration Calibration::of(const Engine& engine) {
  const auto& path = engine.options().calibration;
  const std::string& name = engine.config().name;
  if (path.empty() || !is_there(path))
    fail(ErrorCode::not_found,
         fmt::format("the recipe needs a calibration of {}{}; make it once with: pith calibrate -m "
                     "{}",
                     name, path.empty() ? "" : fmt::format(", which is not at {}", path.string()),
                     pith::model_argument(engine)));
  Calibration calibration = load(path);
  if (calibration.model_hash != engine.model().hash())
    fail(ErrorCode::bad_input,
         fmt::format("{} was calibrated on another model ({}) than the one that is loaded ({}); "
                     "make it again: pith calibrate -m {}",
                     path.string(), calibration.model_name, name, pith::model_argument(engine)));
  calibration.model_argument = pith::model_argument(engine);
  return calibration;
}

std::string model_argument(const Engine& engine) {
  const auto& path = engine.options().calibration;  // the model's, with one more ending
  if (path.extension() != ".calibration") return "MODEL";
  return std::filesystem::path(path).replace_extension().string();
}

std::string looked_up_hash(const Engine& engine, const recipe::SignalNeeds& needs) {
  if (!recipe::asks_any(needs, [](const recipe::SignalKind& kind) { return kind.from.calibrated; }))
    return "";
  return fmt::format("|{:016x}", Calibration::of(engine).contents);
}

}  // namespace pith
