#include "engine/learned/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace pith {
namespace {

// A file with this head and so many bytes of zeros behind it.
std::string file_of(std::string_view head, std::size_t data) {
  const std::uint64_t length = head.size();
  std::string out(reinterpret_cast<const char*>(&length), sizeof length);
  out += head;
  out.append(data, '\0');
  return out;
}

std::string refusal(const std::string& bytes) {
  try {
    Safetensors::parse(bytes, "x.safetensors");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_file);
    return error.what();
  }
  return "none";
}

TEST(Safetensors, RoundTripKeepsEveryBit) {
  Safetensors out;
  out.metadata["model"] = "a \"b\" ü";
  out.tensors["w"] = {{2, 3}, {1, -0.0f, 1e-45f, 3.4e38f, 0.1f, -7}};
  out.tensors["empty"] = {{0, 5}, {}};
  out.tensors["scalar"] = {{}, {42}};
  const Safetensors in = Safetensors::parse(out.bytes(), "x");
  EXPECT_EQ(in.metadata, out.metadata);
  EXPECT_EQ(in.tensors.at("scalar"), out.tensors.at("scalar"));
  EXPECT_EQ(in.tensors.at("empty").shape, (std::vector<Index>{0, 5}));
  EXPECT_EQ(std::memcmp(in.tensors.at("w").data.data(), out.tensors.at("w").data.data(), 24), 0);
}

// The layout of the published format, byte by byte.
TEST(Safetensors, ReadsThePublishedLayout) {
  std::string bytes =
      file_of(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
              R"("__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[],"data_offsets":[4,8]}} )",
              8);
  const float two = 2;
  std::memcpy(bytes.data() + bytes.size() - 4, &two, 4);
  const Safetensors in = Safetensors::parse(bytes, "x");
  EXPECT_EQ(in.tensors.at("a").data, (std::vector<float>{2}));
  EXPECT_EQ(in.text("k", "x"), "v");
}

TEST(Safetensors, RefusesWhatIsDamaged) {
  using ::testing::HasSubstr;
  EXPECT_THAT(refusal("abc"), HasSubstr("x.safetensors is not a sound safetensors file"));
  EXPECT_THAT(refusal(std::string(8, '\xff')), HasSubstr("longer than the file"));
  EXPECT_THAT(refusal(file_of("[1]", 0)), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal(file_of("{\"a\":", 0)), HasSubstr("no JSON object"));
  const auto tensor = [](std::string_view fields, std::size_t data) {
    return refusal(file_of("{\"a\":{" + std::string(fields) + "}}", data));
  };
  EXPECT_THAT(tensor(R"("dtype":"F16","shape":[2],"data_offsets":[0,4])", 4), HasSubstr("F32"));
  EXPECT_THAT(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])", 4),
              HasSubstr("outside of the 4 bytes"));
  EXPECT_THAT(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])", 8),
              HasSubstr("shape [2] but 4 bytes"));
  EXPECT_THAT(tensor(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])", 4), HasSubstr("counts"));
  EXPECT_THAT(tensor(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])", 0),
              HasSubstr("larger than the file"));
  EXPECT_THAT(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])", 8), HasSubstr("gap"));
  EXPECT_THAT(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", 8),
              HasSubstr("belong to none"));
}

TEST(Safetensors, AnArrayOfAnotherShapeIsNamed) {
  Safetensors in;
  in.tensors["w"] = {{2}, {1, 2}};
  EXPECT_EQ(in.at("w", {2}, "f").data.size(), 2u);
  EXPECT_THROW(in.at("w", {1, 2}, "f"), Error);
  EXPECT_THROW(in.at("v", {2}, "f"), Error);
  EXPECT_THROW(in.text("k", "f"), Error);
}

}  // namespace
}  // namespace pith
