// Reads .npz files (stored zip archives of .npy arrays) as numpy.savez writes them, for golden
// tests. It is not a zip library: compressed archives are refused.
#pragma once

#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/types.h"

namespace pith::test {

struct Array {
  std::vector<Index> shape;
  std::vector<float> data;  // row-major; integers are converted
  Index size() const { return static_cast<Index>(data.size()); }
};

class Npz {
 public:
  // Throws not_found, io, or bad_file naming the file and the member.
  static Npz open(const std::filesystem::path& path) {
    Npz npz;
    npz.name_ = path.string();
    const std::string bytes = read_file(path);
    std::string_view rest = bytes;
    while (rest.size() >= 30 && number(rest, 0, 4) == 0x04034b50u) rest = npz.read_member(rest);
    if (npz.arrays_.empty()) npz.refuse("no zip members");
    return npz;
  }

  bool has(const std::string& name) const { return arrays_.contains(name); }
  const Array& at(const std::string& name) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) refuse("no array " + name);
    return found->second;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    fail(ErrorCode::bad_file, name_ + ": " + why);
  }

  // A little-endian number of `size` bytes; the caller has checked the bounds.
  static std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;)
      value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  }

  // One local file header with its data. Returns what follows.
  std::string_view read_member(std::string_view bytes) {
    const std::size_t name_size = number(bytes, 26, 2), extra_size = number(bytes, 28, 2);
    const std::size_t start = 30 + name_size + extra_size;
    if (bytes.size() < start) refuse("a header is cut off");
    std::string member(bytes.substr(30, name_size));
    if (number(bytes, 8, 2) != 0 || (number(bytes, 6, 2) & 8) != 0) refuse(member + " is packed");
    std::uint64_t size = number(bytes, 18, 4);
    if (size == 0xffffffffu) {  // zip64: sizes are in the extra field
      if (extra_size < 20 || number(bytes, 30 + name_size, 2) != 1) refuse(member + ": no size");
      size = number(bytes, 30 + name_size + 12, 8);
    }
    if (size > bytes.size() - start) refuse(member + " is cut off");
    if (member.ends_with(".npy")) member.resize(member.size() - 4);
    arrays_[member] = read_array(member, bytes.substr(start, size));
    return bytes.substr(start + size);
  }

  Array read_array(const std::string& member, std::string_view npy) const {
    if (npy.size() < 10 || npy.substr(0, 6) != "\x93NUMPY") refuse(member + " is no .npy");
    const std::size_t header_size = number(npy, 8, 2);
    if (npy[6] != 1 || npy.size() < 10 + header_size) refuse(member + ": unknown .npy version");
    const std::string_view header = npy.substr(10, header_size);
    if (header.find("'fortran_order': False") == header.npos) refuse(member + " is column-major");

    Array array;
    std::size_t at = header.find("'shape': (");
    if (at == header.npos) refuse(member + " has no shape");
    Index count = 1;
    for (at += 10; at < header.size() && header[at] != ')'; ++at) {
      if (header[at] < '0' || header[at] > '9') continue;
      Index extent = 0;
      while (at < header.size() && header[at] >= '0' && header[at] <= '9' && extent < 1 << 28)
        extent = extent * 10 + (header[at++] - '0');
      array.shape.push_back(extent);
      if (extent > 0 && count > (Index{1} << 28) / extent) refuse(member + " is too large");
      count *= extent;
      --at;
    }
    const std::string_view data = npy.substr(10 + header_size);
    const auto convert = [&]<typename T>(T) {
      if (data.size() != static_cast<std::size_t>(count) * sizeof(T)) refuse(member + ": bad size");
      for (Index i = 0; i < count; ++i) {
        T value;
        std::memcpy(&value, data.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
        array.data.push_back(static_cast<float>(value));
      }
    };
    const auto is = [&](std::string_view type) { return header.find(type) != header.npos; };
    if (is("'<f4'"))
      convert(float{});
    else if (is("'<i4'"))
      convert(std::int32_t{});
    else if (is("'<i2'"))
      convert(std::int16_t{});
    else if (is("'|u1'"))
      convert(std::uint8_t{});
    else
      refuse(member + ": only f4, i4, i2 and u1 are read");
    return array;
  }

  std::string name_;
  std::map<std::string, Array> arrays_;
};

}  // namespace pith::test
