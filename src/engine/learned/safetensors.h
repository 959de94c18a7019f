// Named arrays of f32 in a safetensors file (github.com/huggingface/safetensors), with its
// metadata: one whole file at a time. What the arrays mean is their owner's business; other element
// types are refused, not converted.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace pith {

struct Tensor {
  std::vector<Index> shape;
  std::vector<float> data;  // row-major
  friend bool operator==(const Tensor&, const Tensor&) = default;
};

struct Safetensors {
  std::map<std::string, std::string, std::less<>> metadata;
  std::map<std::string, Tensor, std::less<>> tensors;

  // Throws bad_file, naming the file, where there is none or where it has another shape.
  const Tensor& at(std::string_view name, const std::vector<Index>& shape,
                   const std::string& file) const;
  // Throws bad_file where there is none.
  const std::string& text(std::string_view key, const std::string& file) const;

  // The same as a number, of integers in `base`; bad_file where it is none.
  template <typename T>
  T number(std::string_view key, const std::string& file, int base = 10) const;

  std::string bytes() const;
  void save(const std::filesystem::path& path) const;  // appears whole or not at all

  // Throws not_found, io; bad_file for what is damaged or holds something else than f32.
  static Safetensors load(const std::filesystem::path& path);
  static Safetensors parse(std::string_view bytes, const std::string& name);
};

template <typename T>
T Safetensors::number(std::string_view key, const std::string& file, int base) const {
  const std::string& said = text(key, file);
  T value{};
  std::from_chars_result result{};
  if constexpr (std::is_floating_point_v<T>)
    result = std::from_chars(said.data(), said.data() + said.size(), value);
  else
    result = std::from_chars(said.data(), said.data() + said.size(), value, base);
  if (result.ec != std::errc() || result.ptr != said.data() + said.size())
    fail(ErrorCode::bad_file,
         fmt::format("{}: \"{}\" is \"{}\", which is no number", file, key, said.substr(0, 40)));
  return value;
}

}  // namespace pith
