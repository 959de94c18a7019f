// Numbers, strings and arrays in the bytes of pith's own files: written one after the other, and
// read back never beyond their end. Layouts and check sums are the formats' business; files of
// others (GGUF, safetensors) have readers of their own.
//
//   string = u64 length, bytes       array = u64 count, values       all little-endian
#pragma once

#include <fmt/format.h>

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace pith {

static_assert(std::endian::native == std::endian::little);

class ByteWriter {
 public:
  template <typename T>
  void number(T value) {
    bytes(&value, sizeof value);
  }
  void bytes(const void* from, std::size_t n) {
    payload_.append(static_cast<const char*>(from), n);
  }
  void string(std::string_view text) {
    number<std::uint64_t>(text.size());
    payload_ += text;
  }
  template <typename T>
  void array(std::span<const T> values) {
    number<std::uint64_t>(values.size());
    bytes(values.data(), values.size_bytes());
  }

  const std::string& payload() const { return payload_; }
  void clear() { payload_.clear(); }

 private:
  std::string payload_;
};

class ByteReader {
 public:
  // What is wrong is told as "WHERE is damaged: ...; REMEDY".
  ByteReader(std::span<const std::byte> bytes, std::string where, std::string_view remedy)
      : left_(bytes), where_(std::move(where)), remedy_(remedy) {}

  [[noreturn]] void damaged(std::string_view what) const {
    fail(ErrorCode::bad_file, fmt::format("{} is damaged: {}; {}", where_, what, remedy_));
  }
  void expect(bool sound, std::string_view what) const {
    if (!sound) damaged(what);
  }

  std::span<const std::byte> bytes(std::uint64_t n) {
    expect(n <= left_.size(), "it ends early");
    const auto taken = left_.first(static_cast<std::size_t>(n));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
    return value;
  }
  std::string string() {
    const auto text = bytes(number<std::uint64_t>());
    return {reinterpret_cast<const char*>(text.data()), text.size()};
  }
  template <typename T>
  std::vector<T> values(std::uint64_t n) {
    expect(n <= left_.size() / sizeof(T), "an array is longer than what is left");
    std::vector<T> values(static_cast<std::size_t>(n));
    if (n > 0) std::memcpy(values.data(), bytes(n * sizeof(T)).data(), values.size() * sizeof(T));
    return values;
  }
  template <typename T>
  std::vector<T> array() {
    return values<T>(number<std::uint64_t>());
  }
  Index left() const { return static_cast<Index>(left_.size()); }
  void end() const { expect(left_.empty(), "it has bytes too many"); }

 private:
  std::span<const std::byte> left_;
  std::string where_;
  std::string_view remedy_;
};

}  // namespace pith
