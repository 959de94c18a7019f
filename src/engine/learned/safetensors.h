// Named arrays of f32 in a safetensors file (github.com/huggingface/safetensors), with its
// metadata: one whole file at a time. What the arrays mean is their owner's business; other element
// types are refused, not converted.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

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

  std::string bytes() const;
  void save(const std::filesystem::path& path) const;  // appears whole or not at all

  // Throws not_found, io; bad_file for what is damaged or holds something else than f32.
  static Safetensors load(const std::filesystem::path& path);
  static Safetensors parse(std::string_view bytes, const std::string& name);
};

}  // namespace pith
