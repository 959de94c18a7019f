#include "gguf/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/numbers.h"

namespace pith::gguf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A file written field by field, for what the writer would never write.
class Raw {
 public:
  template <typename T>
  Raw& put(T value) {
    const auto* raw = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof(T));
    return *this;
  }
  Raw& text(std::string_view text) {
    for (const char c : text) put(c);
    return *this;
  }
  Raw& string(std::string_view value) { return put(std::uint64_t{value.size()}).text(value); }
  Raw& head(std::uint64_t tensors, std::uint64_t pairs, std::uint32_t version = 3) {
    return text("GGUF").put(version).put(tensors).put(pairs);
  }
  Raw& tensor(std::string_view name, std::uint64_t size, std::uint32_t type, std::uint64_t offset) {
    return string(name).put(1u).put(size).put(type).put(offset);
  }
  Raw& pad(std::size_t extra = 0) {
    while (bytes_.size() % 32 != 0) put(char{0});
    for (std::size_t i = 0; i < extra; ++i) put(char{0});
    return *this;
  }
  File parse() const { return File::parse(bytes_, "raw.gguf"); }

 private:
  std::vector<std::byte> bytes_;
};

std::string message_of(const auto& call, ErrorCode code) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

std::string bad_file(const Raw& raw) {
  return message_of([&] { raw.parse(); }, ErrorCode::bad_file);
}

Writer small_writer() {
  Writer writer;
  writer.set("general.architecture", "llama");
  writer.set("unsigned", std::uint64_t{7});
  writer.set("signed", std::int64_t{-7});
  writer.set("number", 0.5);
  writer.set("flag", true);
  writer.set("unsigneds", std::vector<std::uint64_t>{1, 1ull << 40});
  writer.set("signeds", std::vector<std::int64_t>{-1, 2});
  writer.set("numbers", std::vector<double>{0.25, -1.5});
  writer.set("flags", std::vector<bool>{true, false});
  writer.set("strings", std::vector<std::string>{"a", "", "bc"});
  writer.add_tensor("weights", WeightType::f32, {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  writer.add_tensor("half", WeightType::f16, {4}, std::vector<float>{1, -2, 0.5f, 65504});
  return writer;
}

TEST(Gguf, EveryKindOfValueSurvivesTheRoundTrip) {
  const auto bytes = small_writer().bytes();
  const File file = File::parse(bytes, "small");
  EXPECT_EQ(file.version(), 3);
  EXPECT_EQ(file.get_string("general.architecture"), "llama");
  EXPECT_EQ(file.get_index("unsigned"), 7);
  EXPECT_EQ(file.get_index("signed"), -7);
  EXPECT_EQ(file.get_number("number"), 0.5);
  EXPECT_EQ(file.get_number("unsigned"), 7.0);
  EXPECT_TRUE(file.get_bool("flag", false));
  EXPECT_THAT(file.get_indices("unsigneds"), ElementsAre(1, Index{1} << 40));
  EXPECT_THAT(file.get_indices("signeds"), ElementsAre(-1, 2));
  EXPECT_THAT(file.get_floats("numbers"), ElementsAre(0.25f, -1.5f));
  EXPECT_THAT(file.get_floats("signeds"), ElementsAre(-1.0f, 2.0f));
  EXPECT_THAT(std::get<std::vector<bool>>(*file.find("flags")), ElementsAre(true, false));
  EXPECT_THAT(file.get_strings("strings"), ElementsAre("a", "", "bc"));
}

TEST(Gguf, TensorsKeepTheirShapeAndBytes) {
  const auto bytes = small_writer().bytes();
  const File file = File::parse(bytes, "small");
  const Tensor& weights = file.tensor("weights");
  EXPECT_EQ(weights.cols(), 2);
  EXPECT_EQ(weights.rows(), 3);
  float last;
  std::memcpy(&last, weights.matrix().row(2) + 4, 4);
  EXPECT_EQ(last, 6.0f);
  f16 half[4];
  std::memcpy(half, file.tensor("half").data.data(), 8);
  EXPECT_EQ(to_float(half[3]), 65504.0f);
}

TEST(Gguf, EveryWeightTypeIsWrittenAndReadBack) {
  const std::vector<float> values(2 * 256, 0.5f);
  for (const WeightType type : kWeightTypes) {
    Writer writer;
    writer.add_tensor("w", type, {256, 2}, values);
    const auto bytes = writer.bytes();
    const File file = File::parse(bytes, "typed");
    EXPECT_EQ(file.tensor("w").type, type);
    std::vector<float> row(256);
    dequantize(file.tensor("w").matrix(), 1, 0, 256, row);
    EXPECT_NEAR(row[255], 0.5f, 0.05f) << info(type).name;
  }
}

TEST(Gguf, EveryStoredNumberTypeIsWidened) {
  Raw raw;
  raw.head(0, 10);
  raw.string("u8").put(0u).put(std::uint8_t{200});
  raw.string("i8").put(1u).put(std::int8_t{-100});
  raw.string("u16").put(2u).put(std::uint16_t{60000});
  raw.string("i16").put(3u).put(std::int16_t{-30000});
  raw.string("u32").put(4u).put(std::uint32_t{4000000000u});
  raw.string("i32").put(5u).put(std::int32_t{-2000000000});
  raw.string("f32").put(6u).put(1.5f);
  raw.string("u64").put(10u).put(std::uint64_t{1} << 62);
  raw.string("i64").put(11u).put(-(std::int64_t{1} << 62));
  raw.string("f64").put(12u).put(1e300);
  const File file = raw.parse();
  EXPECT_EQ(file.get_index("u8"), 200);
  EXPECT_EQ(file.get_index("i8"), -100);
  EXPECT_EQ(file.get_index("u16"), 60000);
  EXPECT_EQ(file.get_index("i16"), -30000);
  EXPECT_EQ(file.get_index("u32"), 4000000000);
  EXPECT_EQ(file.get_index("i32"), -2000000000);
  EXPECT_EQ(file.get_number("f32"), 1.5);
  EXPECT_EQ(file.get_index("u64"), Index{1} << 62);
  EXPECT_EQ(file.get_index("i64"), -(Index{1} << 62));
  EXPECT_EQ(file.get_number("f64"), 1e300);
}

TEST(Gguf, ArraysOfEveryNumberTypeAreWidened) {
  Raw raw;
  raw.head(0, 4);
  raw.string("u8")
      .put(9u)
      .put(0u)
      .put(std::uint64_t{2})
      .put(std::uint8_t{1})
      .put(std::uint8_t{255});
  raw.string("i16").put(9u).put(3u).put(std::uint64_t{1}).put(std::int16_t{-5});
  raw.string("f64").put(9u).put(12u).put(std::uint64_t{1}).put(0.125);
  raw.string("none").put(9u).put(8u).put(std::uint64_t{0});
  const File file = raw.parse();
  EXPECT_THAT(file.get_indices("u8"), ElementsAre(1, 255));
  EXPECT_THAT(file.get_indices("i16"), ElementsAre(-5));
  EXPECT_THAT(file.get_floats("f64"), ElementsAre(0.125f));
  EXPECT_TRUE(file.get_strings("none").empty());
}

TEST(Gguf, WideValuesAreWrittenWide) {
  Writer writer;
  writer.set("u", std::uint64_t{1} << 40);
  writer.set("i", -(std::int64_t{1} << 40));
  writer.set("f", 1e300);
  writer.set("inf", std::numeric_limits<double>::infinity());
  const auto bytes = writer.bytes();
  const File file = File::parse(bytes, "wide");
  EXPECT_EQ(file.get_index("u"), Index{1} << 40);
  EXPECT_EQ(file.get_index("i"), -(Index{1} << 40));
  EXPECT_EQ(file.get_number("f"), 1e300);
  EXPECT_EQ(file.get_number("inf"), std::numeric_limits<double>::infinity());
}

TEST(Gguf, Version2IsReadAndOthersAreRefused) {
  EXPECT_EQ(Raw().head(0, 0, 2).parse().version(), 2);
  EXPECT_THAT(bad_file(Raw().head(0, 0, 1)), HasSubstr("GGUF version 1 cannot be read"));
  EXPECT_THAT(bad_file(Raw().head(0, 0, 0x03000000)), HasSubstr("big-endian"));
}

TEST(Gguf, OtherFilesAreRecognisedAsSuch) {
  EXPECT_EQ(bad_file(Raw().text("PK\x03!")),
            "raw.gguf: is not a GGUF file: it begins with 'PK?!"
            "', 'GGUF' was expected");
  EXPECT_THAT(bad_file(Raw().text("version https://git-lfs")), HasSubstr("Git LFS pointer"));
  EXPECT_THAT(bad_file(Raw().text("<html>")), HasSubstr("web page"));
  EXPECT_THAT(bad_file(Raw()), HasSubstr("not a GGUF file"));
}

TEST(Gguf, AlignmentIsObeyed) {
  Writer writer = small_writer();
  writer.set("general.alignment", std::uint64_t{256});
  const auto bytes = writer.bytes();
  const File file = File::parse(bytes, "aligned");
  EXPECT_EQ((file.tensor("half").data.data() - bytes.data()) % 256, 0);
  for (const std::uint32_t bad : {0u, 1u, 33u, 0x80000000u}) {
    EXPECT_THAT(bad_file(Raw().head(0, 1).string("general.alignment").put(4u).put(bad)),
                HasSubstr("'general.alignment' is not a power of two from 8 to"));
  }
}

TEST(Gguf, TruncatedAnywhereIsAnError) {
  const auto whole = small_writer().bytes();
  // The last tensor ends before the padding, which may be missing.
  const std::size_t needed = whole.size() - 24;
  for (std::size_t size = 0; size < needed; ++size) {
    const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<long>(size));
    EXPECT_THROW(File::parse(part, "cut"), Error) << size;
  }
}

TEST(Gguf, AnyFlippedBitIsAnErrorOrAnotherFile) {
  auto bytes = small_writer().bytes();
  int parsed = 0;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1 << (bit % 8));
    bytes[bit / 8] ^= mask;
    try {
      const File file = File::parse(bytes, "flipped");
      for (const Tensor& tensor : file.tensors()) {
        ASSERT_GE(tensor.data.data(), bytes.data());
        ASSERT_LE(tensor.data.data() + tensor.data.size(), bytes.data() + bytes.size());
      }
      ++parsed;
    } catch (const Error&) {
    }
    bytes[bit / 8] ^= mask;
  }
  EXPECT_GT(parsed, 0);
}

TEST(Gguf, ImpossibleCountsAreRefusedBeforeAnyAllocation) {
  const std::uint64_t huge = std::uint64_t{1} << 60, top = std::uint64_t{1} << 63;
  EXPECT_EQ(bad_file(Raw().head(huge, 0)),
            "raw.gguf: byte 8: number of tensors is 1152921504606846976, but 8 bytes are left; the "
            "file is damaged or incomplete, download it again");
  EXPECT_THAT(bad_file(Raw().head(0, huge)), HasSubstr("number of metadata keys"));
  EXPECT_THAT(bad_file(Raw().head(0, 1).put(top).text("0123456789")), HasSubstr("a metadata key"));
  EXPECT_THAT(bad_file(Raw().head(0, 1).string("k").put(8u).put(top)), HasSubstr("string 'k'"));
  EXPECT_THAT(bad_file(Raw().head(0, 1).string("k").put(9u).put(8u).put(huge)),
              HasSubstr("length of array 'k'"));
  EXPECT_THAT(bad_file(Raw().head(0, 1).string("k").put(9u).put(10u).put(top).pad(64)),
              HasSubstr("length of array 'k'"));
}

TEST(Gguf, MetadataThatIsNotSoundIsRefused) {
  EXPECT_THAT(bad_file(Raw().head(0, 1).string("k").put(13u).put(0ull)),
              HasSubstr("unknown value type 13"));
  EXPECT_THAT(bad_file(Raw().head(0, 1).string("k").put(9u).put(9u).put(1ull).put(0ull)),
              HasSubstr("array of arrays"));
  EXPECT_THAT(bad_file(Raw().head(0, 1).string("k").put(9u).put(77u).put(1ull)),
              HasSubstr("unknown value type 77"));
  EXPECT_THAT(bad_file(Raw().head(0, 1).string("key").put(7u).put(char{2})),
              HasSubstr("boolean is 2"));
  EXPECT_THAT(bad_file(Raw().head(0, 1).string("").put(7u).put(0ull)), HasSubstr("has 0 bytes"));
  EXPECT_THAT(bad_file(Raw().head(0, 2).string("a").put(4u).put(1u).string("a").put(4u).put(2u)),
              HasSubstr("key 'a' occurs twice"));
}

TEST(Gguf, TensorsThatAreNotSoundAreRefused) {
  EXPECT_THAT(bad_file(Raw().head(1, 0).tensor("t", 4, 0, 0).pad()),
              HasSubstr("tensor 't' needs 16 bytes at offset 0 of the data, which has 0 bytes"));
  EXPECT_THAT(bad_file(Raw().head(1, 0).tensor("t", 4, 0, 7).pad(64)),
              HasSubstr("offset 7 is not a multiple of the alignment 32"));
  EXPECT_THAT(bad_file(Raw().head(1, 0).tensor("t", 4, 0, ~31ull).pad(64)), HasSubstr("needs 16"));
  EXPECT_THAT(bad_file(Raw().head(1, 0).tensor("t", 33, 8, 0).pad(64)),
              HasSubstr("rows of 33 weights do not divide into blocks of 32 (Q8_0)"));
  EXPECT_THAT(bad_file(Raw().head(1, 0).tensor("t", 0, 0, 0).pad(64)),
              HasSubstr("dimension 0 of size 0 is impossible"));
  EXPECT_THAT(bad_file(Raw().head(1, 0).tensor("t", 1ull << 62, 0, 0).pad(64)),
              HasSubstr("weights are impossible"));
  EXPECT_THAT(bad_file(Raw().head(2, 0).tensor("t", 4, 0, 0).tensor("t", 4, 0, 32).pad(64)),
              HasSubstr("'t' occurs twice"));
  EXPECT_THAT(bad_file(Raw().head(2, 0).tensor("t", 9, 0, 0).tensor("u", 4, 0, 32).pad(64)),
              HasSubstr("the data of tensors 't' and 'u' overlap"));
  Raw product;
  product.head(1, 0).string("t").put(2u).put(1ull << 40).put(1ull << 40).put(0u).put(0ull).pad(64);
  EXPECT_THAT(bad_file(product), HasSubstr("dimension 1 of size 1099511627776 is impossible"));
  Raw dimensions;
  dimensions.head(1, 0).string("t").put(5u).pad(64);
  EXPECT_THAT(bad_file(dimensions), HasSubstr("5 dimensions, 1 to 4 were expected"));
}

TEST(Gguf, AnUnusableTensorTypeIsNamedWithTheKnownOnes) {
  const Raw raw = Raw().head(1, 0).tensor("blk.0.attn_q.weight", 256, 23, 0).pad(64);
  EXPECT_EQ(
      message_of([&] { raw.parse(); }, ErrorCode::bad_model),
      "raw.gguf: tensor 'blk.0.attn_q.weight' is stored as IQ4_XS (type 23), which pith cannot "
      "compute with; use a file with only F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, "
      "Q5_K, Q6_K");
}

TEST(Gguf, HostileNamesStayOnOneLine) {
  const std::string name = "line\nbreak\x1b[31m" + std::string(300, 'x');
  const std::string message = bad_file(Raw().head(0, 1).string(name).put(13u).put(0ull));
  EXPECT_THAT(message, HasSubstr("line?break?[31m"));
  EXPECT_LT(message.size(), 300u);
}

TEST(Gguf, LookUpsNameTheFileAndTheKey) {
  const auto bytes = small_writer().bytes();
  const File file = File::parse(bytes, "small.gguf");
  const auto message = [](const auto& call) { return message_of(call, ErrorCode::bad_model); };
  EXPECT_THAT(message([&] { file.get_index("absent"); }),
              HasSubstr("small.gguf: metadata key 'absent' is missing"));
  EXPECT_EQ(
      message([&] { file.get_index("general.architecture", 3); }),
      "small.gguf: metadata key 'general.architecture' is a string, but an integer was expected");
  EXPECT_THAT(message([&] { file.tensor("absent"); }), HasSubstr("tensor 'absent' is missing"));
  EXPECT_EQ(file.get_index("absent", 3), 3);
  EXPECT_EQ(file.get_string("absent", "x"), "x");
  EXPECT_EQ(file.get_number("absent", 0.5), 0.5);
  EXPECT_FALSE(file.get_bool("absent", false));
  EXPECT_EQ(file.find("absent"), nullptr);
}

TEST(Gguf, AWrittenFileIsReadBackFromTheDisk) {
  const auto path =
      std::filesystem::temp_directory_path() / ("pith_gguf_test_" + std::to_string(::getpid()));
  small_writer().write(path);
  const File file = File::open(path);
  EXPECT_EQ(file.name(), path.string());
  EXPECT_EQ(file.tensors().size(), 2u);
  std::filesystem::remove(path);
  EXPECT_EQ(file.tensor("weights").rows(), 3);
}

TEST(Gguf, LargeVocabulariesLoadQuickly) {
  Writer writer;
  std::vector<std::string> words;
  for (int i = 0; i < 250000; ++i)
    words.push_back("a token of the vocabulary " + std::to_string(i));
  writer.set("tokenizer.ggml.tokens", words);
  const auto bytes = writer.bytes();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(File::parse(bytes, "large").get_strings("tokenizer.ggml.tokens").size(), 250000u);
  // Far above the 30 ms that it takes, so that a busy machine does not fail it.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

}  // namespace
}  // namespace pith::gguf
