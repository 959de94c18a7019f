// File layout, little-endian:
//   u64 length of the head, head (JSON), data
//   head = {"__metadata__": {key: text, ...}, NAME: {"dtype": "F32", "shape": [...],
//           "data_offsets": [begin, end]}, ...}; offsets count from the start of the data, and the
//   arrays cover it without gap or overlap.
#include "engine/learned/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"

namespace pith {
namespace {

static_assert(std::endian::native == std::endian::little);

using Json = nlohmann::json;
constexpr std::string_view kMetadata = "__metadata__";
constexpr std::uint64_t kLongestHead = 100'000'000;  // as in the reference reader
constexpr std::size_t kAlignment = 8;                // heads are filled up with spaces

class Parser {
 public:
  Parser(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  Safetensors read() {
    std::uint64_t length = 0;
    if (bytes_.size() < sizeof length) damaged("it is shorter than the length of its head");
    std::memcpy(&length, bytes_.data(), sizeof length);
    bytes_.remove_prefix(sizeof length);
    if (length > kLongestHead || length > bytes_.size())
      damaged(fmt::format("its head of {} bytes is longer than the file", length));
    const Json head =
        Json::parse(bytes_.substr(0, static_cast<std::size_t>(length)), nullptr, false);
    if (!head.is_object()) damaged("its head is no JSON object");
    data_ = bytes_.substr(static_cast<std::size_t>(length));

    Safetensors out;
    for (const auto& [key, value] : head.items()) {
      if (key == kMetadata)
        read_metadata(value, out);
      else
        out.tensors.emplace(key, read_tensor(key, value));
    }
    check_coverage();
    return out;
  }

 private:
  [[noreturn]] void damaged(const std::string& what) const {
    fail(ErrorCode::bad_file, fmt::format("{} is not a sound safetensors file: {}", name_, what));
  }

  void read_metadata(const Json& from, Safetensors& to) const {
    if (!from.is_object()) damaged("its metadata is no object");
    for (const auto& [key, value] : from.items()) {
      if (!value.is_string()) damaged(fmt::format("metadata \"{}\" is no text", key));
      to.metadata.emplace(key, value.get<std::string>());
    }
  }

  std::vector<std::uint64_t> numbers(const std::string& of, const Json& from,
                                     const char* field) const {
    const auto found = from.find(field);
    if (found == from.end() || !found->is_array())
      damaged(fmt::format("\"{}\" has no list {}", of, field));
    std::vector<std::uint64_t> out;
    for (const Json& n : *found) {
      if (!n.is_number_unsigned())
        damaged(fmt::format("{} of \"{}\" has something else than counts", field, of));
      out.push_back(n.get<std::uint64_t>());
    }
    return out;
  }

  Tensor read_tensor(const std::string& name, const Json& from) {
    if (!from.is_object()) damaged(fmt::format("\"{}\" is no object", name));
    const auto type = from.find("dtype");
    if (type == from.end() || !type->is_string() || *type != "F32")
      damaged(fmt::format("\"{}\" is not of type F32, the only one read here", name));
    const auto range = numbers(name, from, "data_offsets");
    if (range.size() != 2 || range[0] > range[1] || range[1] > data_.size())
      damaged(fmt::format("\"{}\" lies outside of the {} bytes of data", name, data_.size()));
    Tensor out;
    std::uint64_t count = 1;
    const std::uint64_t most = data_.size() / sizeof(float);
    for (const std::uint64_t d : numbers(name, from, "shape")) {
      if (d > most || (d > 0 && count > most / d))
        damaged(fmt::format("\"{}\" is larger than the file", name));
      count *= d;
      out.shape.push_back(static_cast<Index>(d));
    }
    if (count * sizeof(float) != range[1] - range[0])
      damaged(fmt::format("\"{}\" has shape [{}] but {} bytes", name, fmt::join(out.shape, ", "),
                          range[1] - range[0]));
    out.data.resize(static_cast<std::size_t>(count));
    if (count > 0) std::memcpy(out.data.data(), data_.data() + range[0], count * sizeof(float));
    ranges_.emplace_back(range[0], range[1]);
    return out;
  }

  void check_coverage() {
    std::sort(ranges_.begin(), ranges_.end());
    std::uint64_t at = 0;
    for (const auto& [begin, end] : ranges_) {
      if (begin != at) damaged(fmt::format("its arrays overlap or leave a gap at byte {}", at));
      at = end;
    }
    if (at != data_.size()) damaged("bytes after its last array belong to none");
  }

  std::string_view bytes_, data_;
  const std::string& name_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges_;
};

}  // namespace

const Tensor& Safetensors::at(std::string_view name, const std::vector<Index>& shape,
                              const std::string& file) const {
  const auto found = tensors.find(name);
  if (found == tensors.end())
    fail(ErrorCode::bad_file, fmt::format("{} has no array \"{}\"", file, name));
  if (found->second.shape != shape)
    fail(ErrorCode::bad_file,
         fmt::format("{}: \"{}\" has shape [{}] where [{}] is expected", file, name,
                     fmt::join(found->second.shape, ", "), fmt::join(shape, ", ")));
  return found->second;
}

const std::string& Safetensors::text(std::string_view key, const std::string& file) const {
  const auto found = metadata.find(key);
  if (found == metadata.end())
    fail(ErrorCode::bad_file, fmt::format("{} does not say its \"{}\" in its metadata", file, key));
  return found->second;
}

std::string Safetensors::bytes() const {
  Json head = Json::object();
  if (!metadata.empty()) head[std::string(kMetadata)] = metadata;
  std::uint64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::uint64_t end = at + tensor.data.size() * sizeof(float);
    head[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = head.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  const std::uint64_t length = text.size();
  std::string out(reinterpret_cast<const char*>(&length), sizeof length);
  out += text;
  for (const auto& [name, tensor] : tensors)
    out.append(reinterpret_cast<const char*>(tensor.data.data()),
               tensor.data.size() * sizeof(float));
  return out;
}

void Safetensors::save(const std::filesystem::path& path) const {
  FileWriter writer(path);
  writer.write(bytes());
  writer.commit();
}

Safetensors Safetensors::load(const std::filesystem::path& path) {
  return parse(read_file(path), path.string());
}

Safetensors Safetensors::parse(std::string_view bytes, const std::string& name) {
  return Parser(bytes, name).read();
}

}  // namespace pith
