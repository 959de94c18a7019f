#include "gguf/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.h"
#include "gguf/ids.h"

namespace pith::gguf {
namespace {

constexpr std::size_t kMaxName = 65535;  // the format's own bound for keys
constexpr std::size_t kMaxDimensions = 4;
constexpr std::uint64_t kMinAlignment = 8, kMaxAlignment = 1 << 20;
// The least bytes that one of each can take; a larger count cannot be true, and nothing is reserved
// for it.
constexpr std::size_t kMinPair = 8 + 1 + 4 + 1, kMinTensor = 8 + 1 + 4 + 8 + 4 + 8;

// A name from the file as it may appear in a message: one line, printable, not long.
std::string shown(std::string_view name) {
  std::string text;
  for (const char c : name.substr(0, 80)) text += c >= 0x20 && c < 0x7f ? c : '?';
  if (name.size() > 80) text += "...";
  return text;
}

// Reads the file from front to back; nothing is read that has not been checked to be there.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::size_t offset() const { return offset_; }
  std::size_t left() const { return bytes_.size() - offset_; }

  [[noreturn]] void bad(std::size_t offset, const std::string& problem) const {
    fail(ErrorCode::bad_file,
         fmt::format("{}: byte {}: {}; the file is damaged or incomplete, download it again", file_,
                     offset, problem));
  }

  template <typename T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::string_view string(std::string_view what) {
    const std::size_t begin = offset_;
    const auto size = number<std::uint64_t>(what);
    if (size > left())
      bad(begin, fmt::format("{} is {} bytes long, but only {} are left", what, size, left()));
    const auto text = take(static_cast<std::size_t>(size), what);
    return {reinterpret_cast<const char*>(text.data()), text.size()};
  }

  // A key or a tensor's name.
  std::string name(std::string_view what) {
    const std::size_t begin = offset_;
    const std::string_view text = string(what);
    if (text.empty() || text.size() > kMaxName)
      bad(begin,
          fmt::format("{} has {} bytes, 1 to {} were expected", what, text.size(), kMaxName));
    return std::string(text);
  }

  // A number of things that follow, each of at least `least` bytes.
  std::size_t count(std::size_t least, std::string_view what) {
    const std::size_t begin = offset_;
    const auto n = number<std::uint64_t>(what);
    if (n > left() / least)
      bad(begin, fmt::format("{} is {}, but {} bytes are left", what, n, left()));
    return static_cast<std::size_t>(n);
  }

  std::span<const std::byte> take(std::size_t size, std::string_view what) {
    if (size > left())
      bad(offset_, fmt::format("{} needs {} bytes, but only {} are left", what, size, left()));
    const auto part = bytes_.subspan(offset_, size);
    offset_ += size;
    return part;
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& file_;
  std::size_t offset_ = 0;
};

bool read_bool(Reader& in, std::string_view key) {
  const std::size_t begin = in.offset();
  const auto byte = in.number<std::uint8_t>(key);
  if (byte > 1)
    in.bad(begin, fmt::format("key '{}': boolean is {}, 0 or 1 was expected", key, byte));
  return byte != 0;
}

template <typename Wide, typename Stored>
Value read_numbers(Reader& in, std::string_view key) {
  const std::size_t n = in.count(sizeof(Stored), fmt::format("length of array '{}'", key));
  const auto bytes = in.take(n * sizeof(Stored), key);
  std::vector<Wide> values(n);
  for (std::size_t i = 0; i < n; ++i) {
    Stored value;
    std::memcpy(&value, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = static_cast<Wide>(value);
  }
  return values;
}

Value read_array(Reader& in, std::string_view key) {
  const std::size_t begin = in.offset();
  const auto type = in.number<std::uint32_t>(key);
  switch (static_cast<ValueId>(type)) {
    case ValueId::u8:
      return read_numbers<std::uint64_t, std::uint8_t>(in, key);
    case ValueId::u16:
      return read_numbers<std::uint64_t, std::uint16_t>(in, key);
    case ValueId::u32:
      return read_numbers<std::uint64_t, std::uint32_t>(in, key);
    case ValueId::u64:
      return read_numbers<std::uint64_t, std::uint64_t>(in, key);
    case ValueId::i8:
      return read_numbers<std::int64_t, std::int8_t>(in, key);
    case ValueId::i16:
      return read_numbers<std::int64_t, std::int16_t>(in, key);
    case ValueId::i32:
      return read_numbers<std::int64_t, std::int32_t>(in, key);
    case ValueId::i64:
      return read_numbers<std::int64_t, std::int64_t>(in, key);
    case ValueId::f32:
      return read_numbers<double, float>(in, key);
    case ValueId::f64:
      return read_numbers<double, double>(in, key);
    case ValueId::boolean: {
      std::vector<bool> values(in.count(1, fmt::format("length of array '{}'", key)));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = read_bool(in, key);
      return values;
    }
    case ValueId::string: {
      const std::size_t n = in.count(8, fmt::format("length of array '{}'", key));
      const std::string what = fmt::format("a string of array '{}'", key);
      std::vector<std::string> values;
      values.reserve(n);
      for (std::size_t i = 0; i < n; ++i) values.emplace_back(in.string(what));
      return values;
    }
    case ValueId::array:
      in.bad(begin, fmt::format("key '{}' is an array of arrays, which no known model has", key));
  }
  in.bad(begin,
         fmt::format("key '{}': array of unknown value type {}, 0 to 12 were expected", key, type));
}

Value read_value(Reader& in, std::string_view key) {
  const std::size_t begin = in.offset();
  const auto type = in.number<std::uint32_t>(key);
  switch (static_cast<ValueId>(type)) {
    case ValueId::u8:
      return std::uint64_t{in.number<std::uint8_t>(key)};
    case ValueId::u16:
      return std::uint64_t{in.number<std::uint16_t>(key)};
    case ValueId::u32:
      return std::uint64_t{in.number<std::uint32_t>(key)};
    case ValueId::u64:
      return in.number<std::uint64_t>(key);
    case ValueId::i8:
      return std::int64_t{in.number<std::int8_t>(key)};
    case ValueId::i16:
      return std::int64_t{in.number<std::int16_t>(key)};
    case ValueId::i32:
      return std::int64_t{in.number<std::int32_t>(key)};
    case ValueId::i64:
      return in.number<std::int64_t>(key);
    case ValueId::f32:
      return double{in.number<float>(key)};
    case ValueId::f64:
      return in.number<double>(key);
    case ValueId::boolean:
      return read_bool(in, key);
    case ValueId::string:
      return std::string(in.string(fmt::format("string '{}'", key)));
    case ValueId::array:
      return read_array(in, key);
  }
  in.bad(begin,
         fmt::format("key '{}' has unknown value type {}, 0 to 12 were expected", key, type));
}

int read_header(Reader& in, const std::string& file) {
  const auto magic = in.left() < 4 ? in.take(in.left(), "magic") : in.take(4, "magic");
  const std::string_view text(reinterpret_cast<const char*>(magic.data()), magic.size());
  if (text != kMagic) {
    fail(ErrorCode::bad_file,
         fmt::format("{}: is not a GGUF file: it begins with '{}', 'GGUF' was expected{}", file,
                     shown(text),
                     text == "vers"          ? " (a Git LFS pointer: run `git lfs pull`)"
                     : text.starts_with('<') ? " (a web page: download the file itself)"
                                             : ""));
  }
  const auto version = in.number<std::uint32_t>("version");
  if (version == 2 || version == 3) return static_cast<int>(version);
  const bool swapped = version != 0 && (version & 0xffffu) == 0;
  fail(
      ErrorCode::bad_file,
      fmt::format("{}: byte 4: GGUF version {} cannot be read, little-endian 2 or 3 was expected{}",
                  file, version, swapped ? " (this file is big-endian)" : ""));
}

std::uint64_t find_alignment(const File& file) {
  const Value* value = file.find(kAlignmentKey);
  if (!value) return kDefaultAlignment;
  const auto* alignment = std::get_if<std::uint64_t>(value);
  if (!alignment || !std::has_single_bit(*alignment) || *alignment < kMinAlignment ||
      *alignment > kMaxAlignment) {
    fail(ErrorCode::bad_file,
         fmt::format(
             "{}: key '{}' is not a power of two from {} to {}; write the file again with 32",
             file.name(), kAlignmentKey, kMinAlignment, kMaxAlignment));
  }
  return *alignment;
}

struct TensorInfo {
  Tensor tensor;
  std::size_t where = 0;  // of its description, for messages
  std::uint64_t offset = 0, bytes = 0;
};

TensorInfo read_tensor_info(Reader& in, const std::string& file) {
  TensorInfo result;
  result.where = in.offset();
  Tensor& tensor = result.tensor;
  tensor.name = in.name("name of a tensor");
  const auto bad = [&](const std::string& problem) {
    in.bad(result.where, fmt::format("tensor '{}': {}", shown(tensor.name), problem));
  };
  const auto dimensions = in.number<std::uint32_t>("number of dimensions");
  if (dimensions < 1 || dimensions > kMaxDimensions)
    bad(fmt::format("{} dimensions, 1 to {} were expected", dimensions, kMaxDimensions));
  Index elements = 1;
  for (std::uint32_t d = 0; d < dimensions; ++d) {
    const auto size = in.number<std::uint64_t>("shape");
    if (size < 1 || size > std::uint64_t{std::numeric_limits<Index>::max()} ||
        __builtin_mul_overflow(elements, static_cast<Index>(size), &elements))
      bad(fmt::format("dimension {} of size {} is impossible", d, size));
    tensor.shape.push_back(static_cast<Index>(size));
  }
  const auto id = in.number<std::uint32_t>("tensor type");
  const auto type = weight_type_of(id);
  if (!type) {
    fail(ErrorCode::bad_model,
         fmt::format("{}: tensor '{}' is stored as {}, which pith cannot compute with; use a file "
                     "with only {}",
                     file, shown(tensor.name), weight_name_of(id), known_weight_names()));
  }
  tensor.type = *type;
  const auto& kind = info(*type);
  Index bytes = 0;
  if (tensor.shape[0] % kind.block != 0)
    bad(fmt::format("rows of {} weights do not divide into blocks of {} ({})", tensor.shape[0],
                    kind.block, kind.name));
  if (__builtin_mul_overflow(elements / kind.block, kind.bytes, &bytes))
    bad(fmt::format("{} weights are impossible", elements));
  result.bytes = static_cast<std::uint64_t>(bytes);
  result.offset = in.number<std::uint64_t>("tensor offset");
  return result;
}

// Two tensors over the same bytes would let a small file stand for a large model.
void refuse_overlap(const Reader& in, const std::vector<TensorInfo>& tensors) {
  std::vector<const TensorInfo*> order;
  for (const auto& tensor : tensors) order.push_back(&tensor);
  std::ranges::sort(order, {}, &TensorInfo::offset);
  for (std::size_t i = 1; i < order.size(); ++i) {
    const TensorInfo &left = *order[i - 1], &right = *order[i];
    if (right.offset < left.offset + left.bytes)
      in.bad(right.where, fmt::format("the data of tensors '{}' and '{}' overlap",
                                      shown(left.tensor.name), shown(right.tensor.name)));
  }
}

}  // namespace

Index Tensor::rows() const {
  Index n = 1;
  for (std::size_t d = 1; d < shape.size(); ++d) n *= shape[d];
  return n;
}

File File::open(const std::filesystem::path& path) {
  MappedFile mapped = MappedFile::open(path);
  File file = parse(mapped.bytes(), path.string());
  file.mapped_ = std::move(mapped);
  return file;
}

File File::parse(std::span<const std::byte> bytes, std::string name) {
  File file;
  file.name_ = std::move(name);
  Reader in(bytes, file.name_);
  file.version_ = read_header(in, file.name_);
  const std::size_t tensor_count = in.count(kMinTensor, "number of tensors");
  const std::size_t pair_count = in.count(kMinPair, "number of metadata keys");
  for (std::size_t i = 0; i < pair_count; ++i) {
    const std::size_t begin = in.offset();
    const std::string key = in.name("a metadata key");
    Value value = read_value(in, shown(key));
    if (!file.metadata_.emplace(key, std::move(value)).second)
      in.bad(begin, fmt::format("key '{}' occurs twice", shown(key)));
  }
  const std::uint64_t alignment = find_alignment(file);

  std::vector<TensorInfo> infos;
  infos.reserve(tensor_count);
  for (std::size_t i = 0; i < tensor_count; ++i) {
    infos.push_back(read_tensor_info(in, file.name_));
    const TensorInfo& last = infos.back();
    if (last.offset % alignment != 0)
      in.bad(last.where, fmt::format("tensor '{}': offset {} is not a multiple of the alignment {}",
                                     shown(last.tensor.name), last.offset, alignment));
    if (!file.tensor_index_.emplace(last.tensor.name, i).second)
      in.bad(last.where, fmt::format("tensor '{}' occurs twice", shown(last.tensor.name)));
  }

  const std::size_t start = (in.offset() + alignment - 1) / alignment * alignment;
  const std::size_t size = start < bytes.size() ? bytes.size() - start : 0;
  for (TensorInfo& item : infos) {
    if (item.offset > size || item.bytes > size - item.offset) {
      in.bad(item.where,
             fmt::format("tensor '{}' needs {} bytes at offset {} of the data, which has {} bytes",
                         shown(item.tensor.name), item.bytes, item.offset, size));
    }
    item.tensor.data = bytes.subspan(start + item.offset, item.bytes);
  }
  refuse_overlap(in, infos);
  file.tensors_.reserve(infos.size());
  for (TensorInfo& item : infos) file.tensors_.push_back(std::move(item.tensor));
  return file;
}

}  // namespace pith::gguf
