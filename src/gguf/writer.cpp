#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "gguf/gguf.h"
#include "gguf/ids.h"

namespace pith::gguf {
namespace {

constexpr std::uint32_t kVersion = 3;

// The head of the file as it grows.
class Bytes {
 public:
  template <typename T>
  void number(T value) {
    const auto raw = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
  }
  void string(std::string_view text) {
    number(std::uint64_t{text.size()});
    raw(text);
  }
  void raw(std::string_view text) {
    const auto view = std::as_bytes(std::span(text.data(), text.size()));
    bytes_.insert(bytes_.end(), view.begin(), view.end());
  }
  void id(ValueId type) { number(static_cast<std::uint32_t>(type)); }
  void pad(std::uint64_t alignment) {
    while (bytes_.size() % alignment != 0) bytes_.push_back(std::byte{0});
  }
  std::vector<std::byte> release() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

template <typename T>
bool fits(auto value) {
  if constexpr (std::is_floating_point_v<T>)
    return !std::isfinite(value) || std::abs(value) <= std::numeric_limits<T>::max();
  else
    return std::in_range<T>(value);
}

void put(Bytes& out, const std::string& value) {
  out.id(ValueId::string);
  out.string(value);
}

void put(Bytes& out, bool value) {
  out.id(ValueId::boolean);
  out.number(std::uint8_t{value});
}

template <typename Narrow, typename Wide>
void put_number(Bytes& out, Wide value, ValueId narrow, ValueId wide) {
  out.id(fits<Narrow>(value) ? narrow : wide);
  if (fits<Narrow>(value))
    out.number(static_cast<Narrow>(value));
  else
    out.number(value);
}

void put(Bytes& out, std::uint64_t value) {
  put_number<std::uint32_t>(out, value, ValueId::u32, ValueId::u64);
}
void put(Bytes& out, std::int64_t value) {
  put_number<std::int32_t>(out, value, ValueId::i32, ValueId::i64);
}
void put(Bytes& out, double value) { put_number<float>(out, value, ValueId::f32, ValueId::f64); }

template <typename Narrow, typename Wide>
void put_numbers(Bytes& out, const std::vector<Wide>& values, ValueId narrow, ValueId wide) {
  const bool small = std::ranges::all_of(values, [](Wide value) { return fits<Narrow>(value); });
  out.id(ValueId::array);
  out.id(small ? narrow : wide);
  out.number(std::uint64_t{values.size()});
  for (const Wide value : values) {
    if (small)
      out.number(static_cast<Narrow>(value));
    else
      out.number(value);
  }
}

void put(Bytes& out, const std::vector<std::uint64_t>& values) {
  put_numbers<std::uint32_t>(out, values, ValueId::u32, ValueId::u64);
}
void put(Bytes& out, const std::vector<std::int64_t>& values) {
  put_numbers<std::int32_t>(out, values, ValueId::i32, ValueId::i64);
}
void put(Bytes& out, const std::vector<double>& values) {
  put_numbers<float>(out, values, ValueId::f32, ValueId::f64);
}

void put(Bytes& out, const std::vector<bool>& values) {
  out.id(ValueId::array);
  out.id(ValueId::boolean);
  out.number(std::uint64_t{values.size()});
  for (const bool value : values) out.number(std::uint8_t{value});
}

void put(Bytes& out, const std::vector<std::string>& values) {
  out.id(ValueId::array);
  out.id(ValueId::string);
  out.number(std::uint64_t{values.size()});
  for (const std::string& value : values) out.string(value);
}

Index element_count(const std::vector<Index>& shape) {
  Index n = 1;
  for (const Index size : shape) n *= size;
  return n;
}

std::uint64_t aligned(std::uint64_t size, std::uint64_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

}  // namespace

void Writer::set(std::string key, Value value) {
  const auto same = std::ranges::find(metadata_, key, &std::pair<std::string, Value>::first);
  if (same != metadata_.end())
    same->second = std::move(value);
  else
    metadata_.emplace_back(std::move(key), std::move(value));
}

void Writer::add_tensor(std::string name, WeightType type, std::vector<Index> shape,
                        std::vector<std::byte> data) {
  const auto& kind = info(type);
  PITH_CHECK(!shape.empty() && shape.size() <= 4 && shape[0] % kind.block == 0,
             fmt::format("tensor '{}' of {} dimensions as {}", name, shape.size(), kind.name));
  const Index bytes = element_count(shape) / kind.block * kind.bytes;
  PITH_CHECK(bytes > 0 && static_cast<Index>(data.size()) == bytes,
             fmt::format("tensor '{}' has {} bytes, its shape {}", name, data.size(), bytes));
  PITH_CHECK(std::ranges::find(tensors_, name, &Pending::name) == tensors_.end(), name);
  tensors_.push_back({std::move(name), type, std::move(shape), std::move(data)});
}

void Writer::add_tensor(std::string name, WeightType type, std::vector<Index> shape,
                        std::span<const float> values) {
  PITH_CHECK(!shape.empty() && element_count(shape) == static_cast<Index>(values.size()),
             fmt::format("tensor '{}' has {} values", name, values.size()));
  const auto& kind = info(type);
  const auto cols = static_cast<std::size_t>(shape[0]);
  const auto row_bytes = static_cast<std::size_t>(shape[0] / kind.block * kind.bytes);
  std::vector<std::byte> data(values.size() / cols * row_bytes);
  for (std::size_t row = 0; row < values.size() / cols; ++row)
    quantize(type, values.subspan(row * cols, cols), data.data() + row * row_bytes);
  add_tensor(std::move(name), type, std::move(shape), std::move(data));
}

std::uint64_t Writer::alignment() const {
  for (const auto& [key, value] : metadata_)
    if (key == kAlignmentKey) return std::get<std::uint64_t>(value);
  return kDefaultAlignment;
}

// Everything before the tensors' data, padded to where they begin.
std::vector<std::byte> Writer::head() const {
  Bytes out;
  out.raw(kMagic);
  out.number(kVersion);
  out.number(std::uint64_t{tensors_.size()});
  out.number(std::uint64_t{metadata_.size()});
  for (const auto& [key, value] : metadata_) {
    out.string(key);
    std::visit([&](const auto& content) { put(out, content); }, value);
  }
  std::uint64_t offset = 0;
  for (const Pending& tensor : tensors_) {
    out.string(tensor.name);
    out.number(static_cast<std::uint32_t>(tensor.shape.size()));
    for (const Index size : tensor.shape) out.number(static_cast<std::uint64_t>(size));
    out.number(id_of(tensor.type));
    out.number(offset);
    offset = aligned(offset + tensor.data.size(), alignment());
  }
  out.pad(alignment());
  return out.release();
}

void Writer::emit(const std::function<void(std::span<const std::byte>)>& sink) const {
  sink(head());
  for (const Pending& tensor : tensors_) {
    sink(tensor.data);
    const auto size = tensor.data.size();
    sink(std::vector<std::byte>(aligned(size, alignment()) - size));
  }
}

void Writer::write(const std::filesystem::path& path) const {
  FileWriter out(path);
  emit([&](std::span<const std::byte> part) { out.write(part); });
  out.commit();
}

std::vector<std::byte> Writer::bytes() const {
  std::vector<std::byte> result;
  emit([&](std::span<const std::byte> part) {
    result.insert(result.end(), part.begin(), part.end());
  });
  return result;
}

}  // namespace pith::gguf
