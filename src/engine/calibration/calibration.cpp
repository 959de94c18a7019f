// File layout, little-endian:
//   "PITHCAL1", u64 length of the payload, u64 XXH3 of the payload, payload
//   payload = u64 model hash, string name, string note, u64 arrays, then each array by ascending
//   name array   = string name, u64 dimensions, i64 each, f32 values string  = u64 length, bytes
#include "engine/calibration/calibration.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <bit>
#include <cstring>
#include <span>

#include "base/error.h"
#include "base/files.h"
#include "engine/engine.h"

namespace pith {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "PITHCAL1";
constexpr std::uint64_t kMostDimensions = 8;

template <typename T>
void put(std::string& to, const T& value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_string(std::string& to, std::string_view text) {
  put<std::uint64_t>(to, text.size());
  to += text;
}

// Reads the payload, never beyond its end.
class Reader {
 public:
  Reader(std::string_view bytes, const std::string& name) : left_(bytes), name_(name) {}
  [[noreturn]] void damaged(std::string_view what) const {
    fail(ErrorCode::bad_file,
         fmt::format("{} is damaged: {}; delete it and run `pith calibrate` again", name_, what));
  }
  std::string_view bytes(std::uint64_t n) {
    if (n > left_.size()) damaged("it ends early");
    const auto taken = left_.substr(0, static_cast<std::size_t>(n));
    left_.remove_prefix(taken.size());
    return taken;
  }
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
    return value;
  }
  std::string string() { return std::string(bytes(number<std::uint64_t>())); }
  bool empty() const { return left_.empty(); }
  std::size_t left() const { return left_.size(); }

 private:
  std::string_view left_;
  const std::string& name_;
};

CalibratedArray read_array(Reader& in) {
  CalibratedArray array;
  const auto dimensions = in.number<std::uint64_t>();
  if (dimensions > kMostDimensions) in.damaged("an array has too many dimensions");
  std::uint64_t count = 1;
  for (std::uint64_t d = 0; d < dimensions; ++d) {
    array.shape.push_back(in.number<std::int64_t>());
    if (array.shape.back() < 0 ||
        (array.shape.back() > 0 &&
         count > in.left() / static_cast<std::uint64_t>(array.shape.back())))
      in.damaged("an array is longer than the file");
    count *= static_cast<std::uint64_t>(array.shape.back());
  }
  const auto values = in.bytes(count * sizeof(float));
  array.data.resize(static_cast<std::size_t>(count));
  if (count > 0) std::memcpy(array.data.data(), values.data(), values.size());
  return array;
}

}  // namespace

const CalibratedArray& Calibration::at(std::string_view name, std::span<const Index> shape) const {
  const auto found = arrays.find(name);
  if (found == arrays.end())
    fail(ErrorCode::not_found,
         fmt::format("the calibration of {} has no {}; make it again: pith calibrate -m {}",
                     model_name, name, model_name));
  if (!std::equal(shape.begin(), shape.end(), found->second.shape.begin(),
                  found->second.shape.end()))
    fail(ErrorCode::bad_file,
         fmt::format("the calibration of {} has {} in shape [{}] where [{}] is expected; make it "
                     "again: pith calibrate -m {}",
                     model_name, name, fmt::join(found->second.shape, ", "), fmt::join(shape, ", "),
                     model_name));
  return found->second;
}

void Calibration::save(const std::filesystem::path& path) const {
  std::string payload;
  put(payload, model_hash);
  put_string(payload, model_name);
  put_string(payload, note);
  put<std::uint64_t>(payload, arrays.size());
  for (const auto& [name, array] : arrays) {
    put_string(payload, name);
    put<std::uint64_t>(payload, array.shape.size());
    for (const Index d : array.shape) put<std::int64_t>(payload, d);
    payload.append(reinterpret_cast<const char*>(array.data.data()),
                   array.data.size() * sizeof(float));
  }
  std::string head(kMagic);
  put<std::uint64_t>(head, payload.size());
  put<std::uint64_t>(head, XXH3_64bits(payload.data(), payload.size()));
  FileWriter writer(path);
  writer.write(head);
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
  Reader head(bytes.substr(kMagic.size()), name);
  const auto length = head.number<std::uint64_t>(), hash = head.number<std::uint64_t>();
  const auto payload = head.bytes(length);
  if (!head.empty()) head.damaged("it has bytes too many");
  if (XXH3_64bits(payload.data(), payload.size()) != hash) head.damaged("its checksum differs");
  Reader in(payload, name);
  Calibration out;
  out.model_hash = in.number<std::uint64_t>();
  out.model_name = in.string();
  out.note = in.string();
  for (auto left = in.number<std::uint64_t>(); left > 0; --left) {
    std::string array = in.string();
    out.arrays.emplace(std::move(array), read_array(in));
  }
  if (!in.empty()) in.damaged("it has bytes too many");
  return out;
}

Calibration Calibration::of(const Engine& engine) {
  const auto& path = engine.options().calibration;
  const std::string& name = engine.config().name;
  if (path.empty() || !std::filesystem::exists(path))
    fail(ErrorCode::not_found,
         fmt::format("the recipe needs a calibration of {}{}; make it once with: pith calibrate -m "
                     "MODEL",
                     name, path.empty() ? "" : fmt::format(", which is not at {}", path.string())));
  Calibration calibration = load(path);
  if (calibration.model_hash != engine.model().hash())
    fail(ErrorCode::bad_input,
         fmt::format("{} was calibrated on another model ({}) than the one that is loaded ({}); "
                     "make it again: pith calibrate -m MODEL",
                     path.string(), calibration.model_name, name));
  return calibration;
}

}  // namespace pith
