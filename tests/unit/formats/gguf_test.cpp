// GGUF files: what is read, and one clear error for everything that is wrong with one.
#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/unit/formats/bytes.h"

namespace ilora {
namespace {

using test::Builder;
using test::error_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

GgufFile read(const std::string& content) {
  return GgufFile::from_bytes(test::as_bytes(content), "x.gguf");
}

// What reading `content` throws; requires that it names the file.
std::string failure(const std::string& content, ErrorKind expected = ErrorKind::kFormat) {
  ErrorKind kind = ErrorKind::kInternal;
  const std::string error = error_of([&] { read(content); }, &kind);
  EXPECT_THAT(error, HasSubstr("x.gguf"));
  EXPECT_EQ(kind, expected) << error;
  return error;
}

class GgufVersion : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Versions, GgufVersion, ::testing::Values(2u, 3u));

TEST_P(GgufVersion, ReadsMetadataAndTensors) {
  const std::string content = test::small_gguf(GetParam());
  const GgufFile file = read(content);
  EXPECT_EQ(file.version(), GetParam());
  EXPECT_EQ(file.text("general.architecture"), "llama");
  EXPECT_EQ(file.integer("general.alignment"), 32);
  EXPECT_EQ(file.number("llama.rope.freq_base"), 10000.0);
  EXPECT_TRUE(file.boolean("flag"));
  EXPECT_THAT(file.texts("tokens"), ElementsAre("a", "", "bc"));
  EXPECT_THAT(file.integers("types"), ElementsAre(-1, 7));
  EXPECT_EQ(file.find("absent"), nullptr);
  ASSERT_EQ(file.tensors().size(), 3u);
  const StoredTensor& weight = file.tensor("weight");
  EXPECT_THAT(weight.shape, ElementsAre(2, 32));  // outermost first
  EXPECT_EQ(weight.dtype, DType::kQ8_0);
  EXPECT_EQ(weight.bytes.size(), 68u);
  EXPECT_EQ(weight.bytes[67], std::byte{67});
  EXPECT_EQ(weight.describe(), "weight Q8_0 (2, 32)");
  std::vector<float> norm(3);
  expand_rows(norm.data(), *file.find_tensor("norm"), 0, 1);
  EXPECT_THAT(norm, ElementsAre(0, 1, 2));
  EXPECT_EQ(file.find_tensor("absent"), nullptr);
}

TEST(Gguf, ViewsSurviveAMove) {
  const test::TestFolder folder("gguf-move");
  GgufFile first(folder.write("x.gguf", test::small_gguf(3)));
  const GgufFile second = std::move(first);
  EXPECT_EQ(second.tensor("weight").bytes[1], std::byte{1});
  EXPECT_THAT(second.texts("tokens"), ElementsAre("a", "", "bc"));
  EXPECT_THAT(second.name(), HasSubstr("x.gguf"));
}

TEST(Gguf, ReadsEveryValueTypeOfTheReferenceWriter) {
  const GgufFile file(ILORA_SOURCE_DIR "/tests/golden/quant/types.gguf");
  EXPECT_EQ(file.integer("u8"), 200);
  EXPECT_EQ(file.integer("i8"), -100);
  EXPECT_EQ(file.integer("u16"), 60000);
  EXPECT_EQ(file.integer("i16"), -30000);
  EXPECT_EQ(file.integer("u32"), 4000000000);
  EXPECT_EQ(file.integer("i32"), -2000000000);
  EXPECT_EQ(file.integer("i64"), -(int64_t{1} << 62));
  EXPECT_EQ(file.number("f32"), static_cast<double>(0.1f));
  EXPECT_EQ(file.number("f64"), 0.1);
  EXPECT_EQ(file.number("i8"), -100.0);
  EXPECT_TRUE(file.boolean("yes"));
  EXPECT_FALSE(file.boolean("no"));
  EXPECT_EQ(file.text("text"), "Grüße");
  EXPECT_THAT(file.texts("texts"), ElementsAre("a", "", "文字"));
  EXPECT_THAT(file.integers("integers"), ElementsAre(3, -4, 5));
  EXPECT_THAT(file.numbers("numbers"), ElementsAre(0.5, -1.25));
  EXPECT_THAT(error_of([&] { file.integer("u64"); }), HasSubstr("below 2^63"));
}

TEST(Gguf, MetadataErrorsNameFileKeyAndType) {
  const std::string content = test::small_gguf(3);
  const GgufFile file = read(content);
  EXPECT_THAT(
      error_of([&] { file.text("absent"); }),
      AllOf(HasSubstr("\"absent\" (a string)"), HasSubstr("got none"), HasSubstr("x.gguf")));
  EXPECT_THAT(error_of([&] { file.integer("general.architecture"); }),
              AllOf(HasSubstr("expected an integer"), HasSubstr("got STRING"),
                    HasSubstr("\"general.architecture\""), HasSubstr("x.gguf")));
  EXPECT_THAT(error_of([&] { file.integer("llama.rope.freq_base"); }), HasSubstr("got F32"));
  EXPECT_THAT(error_of([&] { file.text("tokens"); }), HasSubstr("an array of 3 STRING"));
  EXPECT_THAT(error_of([&] { file.integer("types"); }), HasSubstr("an array of 2 I32"));
  EXPECT_THAT(error_of([&] { file.number("flag"); }), HasSubstr("got BOOL"));
  EXPECT_THAT(error_of([&] { file.boolean("general.alignment"); }), HasSubstr("got U32"));
  EXPECT_THAT(error_of([&] { file.texts("types"); }), HasSubstr("expected an array of strings"));
  EXPECT_THAT(error_of([&] { file.integers("tokens"); }),
              HasSubstr("expected an array of integers"));
  EXPECT_THAT(error_of([&] { file.numbers("flag"); }), HasSubstr("expected an array of numbers"));
  EXPECT_THAT(error_of([&] { file.tensor("absent"); }),
              AllOf(HasSubstr("tensor \"absent\""), HasSubstr("x.gguf")));
  EXPECT_EQ(file.text("absent", "fallback"), "fallback");
  EXPECT_EQ(file.integer("absent", 5), 5);
  EXPECT_EQ(file.number("absent", 0.5), 0.5);
  EXPECT_TRUE(file.boolean("absent", true));
  EXPECT_THAT(error_of([&] { file.text("flag", "fallback"); }),
              HasSubstr("got BOOL"));  // a wrong type is no absence
}

TEST(Gguf, RefusesOtherFiles) {
  EXPECT_THAT(failure(""), HasSubstr("got 0 bytes"));
  EXPECT_THAT(failure("GGML1234"),
              AllOf(HasSubstr("expected the magic \"GGUF\""), HasSubstr("got \"GGML\"")));
  EXPECT_THAT(failure(Builder().header(1, 0, 0).out, ErrorKind::kUnsupported),
              HasSubstr("version 2 or 3, got 1"));
  EXPECT_THAT(failure(Builder().header(4, 0, 0).out, ErrorKind::kUnsupported), HasSubstr("got 4"));
  EXPECT_THAT(failure(Builder().header(0x03000000, 0, 0).out, ErrorKind::kUnsupported),
              HasSubstr("big-endian"));
  ErrorKind kind = ErrorKind::kInternal;
  EXPECT_THAT(error_of([] { GgufFile("/no/such/model.gguf"); }, &kind),
              HasSubstr("/no/such/model.gguf"));
  EXPECT_EQ(kind, ErrorKind::kFile);
}

TEST(Gguf, RefusesEveryTruncation) {
  for (const uint32_t version : {2u, 3u}) {
    const std::string content = test::small_gguf(version);
    for (size_t size = 0; size < content.size(); ++size) {
      const std::string error = failure(content.substr(0, size));
      ASSERT_NE(error, "") << size;
    }
  }
}

TEST(Gguf, TruncatedDataNamesTheTensor) {
  const std::string content = test::small_gguf(3);
  EXPECT_THAT(failure(content.substr(0, content.size() - 1)), HasSubstr("tensor \"halves\""));
}

TEST(Gguf, RefusesLengthsBeyondTheFile) {
  EXPECT_THAT(failure(Builder().header(3, uint64_t{1} << 60, 0).out), HasSubstr("tensors"));
  EXPECT_THAT(failure(Builder().header(3, 0, ~uint64_t{0}).out), HasSubstr("metadata entries"));
  EXPECT_THAT(failure(Builder().header(3, 0, 1).u64(~uint64_t{0}).u64(0).out),
              HasSubstr("a metadata key"));
  Builder text;
  text.header(3, 0, 1).entry("k", 8).u64(~uint64_t{0} - 7);
  EXPECT_THAT(failure(text.out), HasSubstr("metadata \"k\""));
  Builder array;
  array.header(3, 0, 1).entry("k", 9).u32(10).u64(uint64_t{1} << 61).u64(0);
  EXPECT_THAT(failure(array.out), HasSubstr("elements of metadata \"k\""));
}

TEST(Gguf, RefusesBadMetadata) {
  EXPECT_THAT(failure(Builder().header(3, 0, 1).entry("k", 13).u64(0).out),
              AllOf(HasSubstr("got 13"), HasSubstr("metadata \"k\"")));
  EXPECT_THAT(failure(Builder().header(3, 0, 1).entry("k", 7).number(uint8_t{2}).out),
              HasSubstr("BOOL"));
  EXPECT_THAT(
      failure(Builder().header(3, 0, 1).entry("k", 9).u32(9).u64(0).out, ErrorKind::kUnsupported),
      HasSubstr("arrays of arrays"));
  Builder twice;
  twice.header(3, 0, 2).entry("k", 0).number(uint8_t{2}).entry("k", 0).number(uint8_t{2});
  EXPECT_THAT(failure(twice.out), HasSubstr("two for \"k\""));
  for (const uint32_t alignment : {0u, 24u, 1u << 31}) {
    EXPECT_THAT(failure(Builder().header(3, 0, 1).entry("general.alignment", 4).u32(alignment).out),
                HasSubstr("power of two"));
  }
}

// A file of the given tensors with `size` bytes of data.
std::string with_tensors(Builder tensors, uint64_t count, size_t size) {
  Builder b;
  b.header(3, count, 0);
  b.out += tensors.out;
  b.align(32);
  b.out.append(size, '\0');
  return b.out;
}

TEST(Gguf, RefusesBadTensors) {
  const auto one = [](std::vector<uint64_t> shape, uint32_t type, uint64_t offset) {
    return with_tensors(Builder().tensor("w", shape, type, offset), 1, 128);
  };
  EXPECT_EQ(read(one({32}, 0, 0)).tensors().size(), 1u);
  EXPECT_THAT(failure(one({32}, 0, 32)), AllOf(HasSubstr("tensor \"w\""), HasSubstr("offset 32")));
  EXPECT_THAT(failure(one({1}, 0, ~uint64_t{31})), HasSubstr("tensor \"w\""));
  EXPECT_THAT(failure(one({1}, 0, 4)), HasSubstr("multiple of 32, got 4"));
  EXPECT_THAT(failure(one({1}, 99, 0)),
              AllOf(HasSubstr("type number 99"), HasSubstr("tensor \"w\"")));
  EXPECT_THAT(failure(one({1}, 4, 0)), HasSubstr("type number 4"));  // removed from ggml
  EXPECT_THAT(failure(one({256}, 16, 0), ErrorKind::kUnsupported),
              AllOf(HasSubstr("IQ2_XXS"), HasSubstr("number 16"), HasSubstr("tensor \"w\""),
                    HasSubstr("F32, F16, BF16, Q8_0, Q4_0, Q4_1")));
  EXPECT_THAT(failure(one({1, 1, 1, 1, 1}, 0, 0)), HasSubstr("at most 4 dimensions, got 5"));
  EXPECT_THAT(failure(one({0}, 0, 0)), HasSubstr("at least 1"));
  EXPECT_THAT(failure(one({~uint64_t{0}}, 0, 0)), HasSubstr("below 2^63"));
  EXPECT_THAT(failure(one({uint64_t{1} << 62, 4}, 0, 0)), HasSubstr("tensor \"w\""));
  EXPECT_THAT(failure(one({uint64_t{1} << 32, uint64_t{1} << 32}, 0, 0)),
              HasSubstr("tensor \"w\""));
  EXPECT_THAT(failure(one({31, 32}, 8, 0)),
              AllOf(HasSubstr("tensor \"w\""), HasSubstr("Q8_0 (32, 31)")));
  EXPECT_THAT(failure(one({128, 2}, 14, 0)), HasSubstr("Q6_K (2, 128)"));
  EXPECT_THAT(
      failure(with_tensors(Builder().tensor("w", {1}, 0, 0).tensor("w", {1}, 0, 32), 2, 64)),
      HasSubstr("two called \"w\""));
  EXPECT_THAT(
      failure(with_tensors(Builder().tensor("v", {9}, 0, 0).tensor("w", {1}, 0, 32), 2, 64)),
      AllOf(HasSubstr("overlap"), HasSubstr("\"v\""), HasSubstr("\"w\"")));
}

TEST(Gguf, UnprintableNamesAreEscaped) {
  EXPECT_THAT(failure(with_tensors(Builder().tensor("w\x1b[2J\xff", {1}, 99, 0), 1, 64)),
              HasSubstr("w\\x1b[2J\\xff"));
}

TEST(Gguf, ReadsSmolLm2) {
  const char* path = std::getenv("ILORA_MODEL");
  if (path == nullptr) GTEST_SKIP() << "set ILORA_MODEL to SmolLM2-135M-Instruct.Q4_1.gguf";
  const GgufFile file{std::filesystem::path(path)};
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.text("general.architecture"), "llama");
  EXPECT_EQ(file.integer("llama.block_count"), 30);
  EXPECT_EQ(file.integer("llama.embedding_length"), 576);
  EXPECT_EQ(file.integer("llama.attention.head_count"), 9);
  EXPECT_EQ(file.integer("llama.attention.head_count_kv"), 3);
  EXPECT_NEAR(file.number("llama.attention.layer_norm_rms_epsilon"), 1e-5, 1e-12);
  EXPECT_EQ(file.texts("tokenizer.ggml.tokens").size(), 49152u);
  EXPECT_EQ(file.integers("tokenizer.ggml.token_type").size(), 49152u);
  EXPECT_EQ(file.tensors().size(), 272u);
  EXPECT_THAT(file.tensor("token_embd.weight").shape, ElementsAre(49152, 576));
  EXPECT_EQ(file.tensor("token_embd.weight").dtype, DType::kQ8_0);
  EXPECT_THAT(file.tensor("blk.29.attn_k.weight").shape, ElementsAre(192, 576));
  EXPECT_EQ(file.tensor("blk.29.attn_k.weight").dtype, DType::kQ4_1);
}

}  // namespace
}  // namespace ilora
