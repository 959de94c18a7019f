// GGUF model files, versions 2 and 3: a bounds-checked reader over a mapped file, and a writer. It
// knows no architecture. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/files.h"
#include "base/types.h"
#include "kernels/linear.h"

namespace pith::gguf {

// Numeric metadata is widened on reading: all unsigned to uint64, signed to int64, floats to
// double. Arrays likewise.
using Value = std::variant<std::uint64_t, std::int64_t, double, bool, std::string,
                           std::vector<std::uint64_t>, std::vector<std::int64_t>,
                           std::vector<double>, std::vector<bool>, std::vector<std::string>>;

struct Tensor {
  std::string name;
  WeightType type;
  std::vector<Index> shape;  // as in the file: shape[0] is the fastest, i.e. the columns (K)
  std::span<const std::byte> data;

  Index rows() const;  // product of shape[1..]
  Index cols() const { return shape.empty() ? 0 : shape[0]; }
  WeightMatrix matrix() const { return {type, rows(), cols(), data.data()}; }
};

class File {
 public:
  // Throws bad_file for anything that is not a sound GGUF file (with the byte offset), bad_model
  // for a tensor type that pith cannot use, not_found or io. Allocates no more than the file's size
  // justifies.
  static File open(const std::filesystem::path& path);
  static File parse(std::span<const std::byte> bytes,
                    std::string name);  // `bytes` must outlive the result

  const std::string& name() const { return name_; }  // for messages
  int version() const { return version_; }
  const std::map<std::string, Value, std::less<>>& metadata() const { return metadata_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }

  const Value* find(std::string_view key) const;
  const Tensor* find_tensor(std::string_view name) const;

  // Typed look-ups. `get_*` throw bad_model when the key is missing or has another type, naming the
  // file and the key; the forms with a fallback throw only for another type.
  std::string get_string(std::string_view key) const;
  std::string get_string(std::string_view key, std::string_view fallback) const;
  Index get_index(std::string_view key) const;
  Index get_index(std::string_view key, Index fallback) const;
  double get_number(std::string_view key) const;
  double get_number(std::string_view key, double fallback) const;
  bool get_bool(std::string_view key, bool fallback) const;
  const std::vector<std::string>& get_strings(std::string_view key) const;
  std::vector<float> get_floats(std::string_view key) const;   // any numeric array
  std::vector<Index> get_indices(std::string_view key) const;  // any integer array
  const Tensor& tensor(std::string_view name) const;           // throws bad_model when missing

 private:
  MappedFile mapped_;
  std::string name_;
  int version_ = 0;
  std::map<std::string, Value, std::less<>> metadata_;
  std::vector<Tensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> tensor_index_;
};

// Collects metadata and tensors and writes a version 3 file.
class Writer {
 public:
  // Unsigned and signed values are written in 32 bits where they fit, doubles as f32. A key set
  // again replaces the first value. "general.alignment" (unsigned, a power of two, 32 if never set)
  // is obeyed.
  void set(std::string key, Value value);
  void add_tensor(std::string name, WeightType type, std::vector<Index> shape,
                  std::vector<std::byte> data);
  // Quantises f32 [rows, cols] on the way.
  void add_tensor(std::string name, WeightType type, std::vector<Index> shape,
                  std::span<const float> values);
  void write(const std::filesystem::path& path) const;
  std::vector<std::byte> bytes() const;

 private:
  std::vector<std::pair<std::string, Value>> metadata_;
  struct Pending {
    std::string name;
    WeightType type;
    std::vector<Index> shape;
    std::vector<std::byte> data;
  };
  std::vector<Pending> tensors_;

  std::uint64_t alignment() const;
  std::vector<std::byte> head() const;
  void emit(const std::function<void(std::span<const std::byte>)>& sink) const;
};

}  // namespace pith::gguf
