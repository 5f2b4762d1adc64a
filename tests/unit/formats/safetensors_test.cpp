// Safetensors files and folders: reading, writing, and one clear error for everything that is
// wrong.
#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/formats/bytes.h"

namespace ilora {
namespace {

using test::error_of;
using test::safetensors_of;
using test::TestFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

SafetensorsFile read(const std::string& content) {
  return SafetensorsFile::from_bytes(test::as_bytes(content), "x.safetensors");
}

std::string failure(const std::string& content) {
  ErrorKind kind = ErrorKind::kInternal;
  const std::string error = error_of([&] { read(content); }, &kind);
  EXPECT_THAT(error, HasSubstr("x.safetensors"));
  EXPECT_EQ(kind, ErrorKind::kFormat) << error;
  return error;
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const std::string content = test::small_safetensors();
  const SafetensorsFile file = read(content);
  EXPECT_EQ(file.text("format"), "pt");
  EXPECT_THAT(error_of([&] { file.text("absent"); }),
              AllOf(HasSubstr("\"absent\""), HasSubstr("x.safetensors")));
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.tensor("a").describe(), "a F32 (2, 3)");
  EXPECT_EQ(file.tensor("b").bytes[0], std::byte{'8'});
  EXPECT_EQ(file.find_tensor("absent"), nullptr);
  EXPECT_FALSE(file.contains("absent"));
  EXPECT_THAT(error_of([&] { file.tensor("absent"); }),
              AllOf(HasSubstr("tensor \"absent\""), HasSubstr("x.safetensors")));
}

TEST(Safetensors, ATypeThatIsNotReadIsAnErrorOnlyWhenAskedFor) {
  const std::string content = test::small_safetensors();
  const SafetensorsFile file = read(content);
  EXPECT_TRUE(file.contains("c"));
  ErrorKind kind = ErrorKind::kInternal;
  EXPECT_THAT(error_of([&] { file.find_tensor("c"); }, &kind),
              AllOf(HasSubstr("\"I64\""), HasSubstr("tensor \"c\""), HasSubstr("F32, F16, BF16")));
  EXPECT_EQ(kind, ErrorKind::kUnsupported);
}

TEST(Safetensors, RefusesDamagedFiles) {
  EXPECT_THAT(failure(""), HasSubstr("got a file of 0 bytes"));
  EXPECT_THAT(failure(std::string(8, '\xff') + "{}"),
              HasSubstr("expected a header of 18446744073709551615 bytes"));
  EXPECT_THAT(failure(safetensors_of("", "")), HasSubstr("begins with '{'"));
  EXPECT_THAT(failure(safetensors_of("[1]", "")), HasSubstr("begins with '{'"));
  EXPECT_THAT(failure(safetensors_of("{\"a\":", "")), HasSubstr("not valid JSON at line 1"));
  EXPECT_THAT(failure(safetensors_of("{}", "x")), HasSubstr("all 1 bytes of data"));
  const std::string content = test::small_safetensors();
  for (size_t size = 0; size < content.size(); ++size)
    ASSERT_NE(failure(content.substr(0, size)), "") << size;
}

TEST(Safetensors, RefusesBadEntries) {
  const auto one = [](const std::string& entry) {
    return failure(safetensors_of("{\"w\":" + entry + "}", "01234567"));
  };
  const std::string begin = R"({"dtype":"F32","shape":[2],"data_offsets":)";
  EXPECT_EQ(error_of([&] { read(safetensors_of("{\"w\":" + begin + "[0,8]}}", "01234567")); }), "");
  EXPECT_THAT(one("7"), HasSubstr("tensor \"w\""));
  EXPECT_THAT(one("{}"), HasSubstr("no \"dtype\""));
  EXPECT_THAT(one(R"({"dtype":"F32","shape":[2]})"), HasSubstr("no \"data_offsets\""));
  EXPECT_THAT(one(R"({"dtype":1,"shape":[2],"data_offsets":[0,8]})"),
              HasSubstr("\"dtype\" to be a string"));
  EXPECT_THAT(one(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})"),
              HasSubstr("\"shape\" to be an array"));
  EXPECT_THAT(one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"),
              HasSubstr("integers from 0"));
  EXPECT_THAT(one(R"({"dtype":"F32","shape":[2.5],"data_offsets":[0,8]})"),
              HasSubstr("integers from 0"));
  EXPECT_THAT(one(R"({"dtype":"F32","shape":[1e30],"data_offsets":[0,8]})"),
              HasSubstr("integers from 0"));
  EXPECT_THAT(one(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]})"),
              HasSubstr("below 2^63"));
  EXPECT_THAT(one(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]})"),
              HasSubstr("fewer than"));
  EXPECT_THAT(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"),
              HasSubstr("expected 12 bytes"));
  EXPECT_THAT(one(begin + "[0]}"), HasSubstr("array of two"));
  EXPECT_THAT(one(begin + "[8,0]}"), HasSubstr("in order, got 8 and 0"));
  EXPECT_THAT(one(begin + "[4,12]}"), HasSubstr("at least 12 bytes, got 8"));
  EXPECT_THAT(failure(safetensors_of("{\"w\":" + begin + "[8,16]}}", "0123456789abcdef")),
              HasSubstr("begin at 0"));
  EXPECT_THAT(failure(safetensors_of("{\"v\":" + begin + "[0,8]},\"w\":" + begin + "[4,12]}}",
                                     "0123456789ab")),
              AllOf(HasSubstr("begin at 8"), HasSubstr("tensor \"w\"")));
  EXPECT_THAT(
      failure(safetensors_of("{\"w\":" + begin + "[0,8]},\"w\":" + begin + "[0,8]}}", "01234567")),
      HasSubstr("the key \"w\" twice"));
  EXPECT_THAT(failure(safetensors_of("{\"__metadata__\":{\"a\":1}}", "")),
              HasSubstr("metadata \"a\""));
}

TEST(Safetensors, WritesWhatItReads) {
  const TestFolder folder("safetensors-write");
  const std::vector<float> a = {1.5f, -2, 3, 4, 5, 6};
  const std::vector<double> b = {0.1};
  const std::vector<BFloat16> c = {to_bfloat16(1.0f), to_bfloat16(2.0f), to_bfloat16(3.0f)};
  const std::vector<int32_t> d = {-7, 8};
  const std::vector<float> empty;
  const StoredTensor tensors[] = {
      stored_view<BFloat16>("c", {3}, c), stored_view<float>("a", {2, 3}, a),
      stored_view<double>("b", {}, b), stored_view<int32_t>("d", {2}, d),
      stored_view<float>("e", {0, 4}, empty)};
  const auto path = folder.path() / "x.safetensors";
  write_safetensors(path, tensors, {{"step", "12"}, {"name", "Grüße \"x\""}});
  const SafetensorsFile file(path);
  EXPECT_EQ(file.text("step"), "12");
  EXPECT_EQ(file.text("name"), "Grüße \"x\"");
  ASSERT_EQ(file.tensors().size(), 5u);
  std::vector<float> a2(6);
  copy_values<float>(a2, file.tensor("a"), file.name());
  EXPECT_EQ(a2, a);
  std::vector<double> b2(1);
  copy_values<double>(b2, file.tensor("b"), file.name());
  EXPECT_EQ(b2, b);
  std::vector<int32_t> d2(2);
  copy_values<int32_t>(d2, file.tensor("d"), file.name());
  EXPECT_EQ(d2, d);
  std::vector<float> c2(3);
  expand_rows(c2.data(), file.tensor("c"), 0, 1);
  EXPECT_THAT(c2, ElementsAre(1, 2, 3));
  EXPECT_THAT(file.tensor("e").shape, ElementsAre(0, 4));
  EXPECT_THAT(error_of([&] {
                copy_values<float>(b2.empty() ? a2 : std::span(a2).first(2), file.tensor("d"), "x");
              }),
              AllOf(HasSubstr("expected F32 with 2 values"), HasSubstr("d I32 (2)")));
}

TEST(Safetensors, BytesDoNotDependOnTheOrderGiven) {
  const TestFolder folder("safetensors-order");
  const std::vector<float> a = {1, 2};
  const std::vector<double> b = {3};
  const StoredTensor x = stored_view<float>("x", {2}, a), y = stored_view<double>("y", {1}, b),
                     z = stored_view<float>("z", {2}, a);
  const StoredTensor first[] = {x, y, z}, second[] = {z, y, x};
  write_safetensors(folder.path() / "1", first, {{"k", "v"}, {"a", "b"}});
  write_safetensors(folder.path() / "2", second, {{"a", "b"}, {"k", "v"}});
  const std::string bytes = read_file(folder.path() / "1");
  EXPECT_EQ(bytes, read_file(folder.path() / "2"));
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  std::string header = bytes.substr(8, length);
  header.erase(header.find_last_not_of(' ') + 1);
  EXPECT_EQ(
      header,
      R"({"__metadata__":{"a":"b","k":"v"},"y":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},)"
      R"("x":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
      R"("z":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}})");
}

TEST(Safetensors, QuantisedTypesCannotBeWritten) {
  const TestFolder folder("safetensors-quant");
  const std::vector<std::byte> block(34);
  const StoredTensor tensors[] = {{"w", DType::kQ8_0, {1, 32}, block}};
  ErrorKind kind = ErrorKind::kInternal;
  EXPECT_THAT(error_of([&] { write_safetensors(folder.path() / "x", tensors); }, &kind),
              AllOf(HasSubstr("Q8_0"), HasSubstr("\"w\"")));
  EXPECT_EQ(kind, ErrorKind::kUnsupported);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "x"));
}

// One F32 tensor of one value.
std::string single(const std::string& name, float value) {
  const std::string bytes(reinterpret_cast<const char*>(&value), sizeof value);
  return safetensors_of("{\"" + name + R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                        bytes);
}

float value_of(const StoredTensor& tensor) {
  float value = 0;
  expand_rows(&value, tensor, 0, 1);
  return value;
}

TEST(TensorFolder, OneFileOrShards) {
  const TestFolder folder("folder");
  folder.write("a.safetensors", single("a", 1));
  folder.write("b.safetensors", single("b", 2));
  folder.write(
      "model.safetensors.index.json",
      R"({"metadata":{"total_size":8},"weight_map":{"b":"b.safetensors","a":"a.safetensors"}})");
  const TensorFolder shards(folder.path());
  ASSERT_EQ(shards.tensors().size(), 2u);
  EXPECT_EQ(value_of(shards.tensor("a")), 1);
  EXPECT_EQ(value_of(*shards.find_tensor("b")), 2);
  EXPECT_EQ(shards.find_tensor("c"), nullptr);
  EXPECT_THAT(error_of([&] { shards.tensor("c"); }),
              AllOf(HasSubstr("\"c\""), HasSubstr(folder.path().string())));

  folder.write("model.safetensors", test::small_safetensors());
  const TensorFolder whole(folder.path());
  EXPECT_EQ(whole.tensors().size(), 2u);
  EXPECT_EQ(whole.tensor("a").describe(), "a F32 (2, 3)");
  EXPECT_THAT(error_of([&] { whole.find_tensor("c"); }), HasSubstr("\"I64\""));
}

TEST(TensorFolder, SaysWhatIsMissing) {
  const TestFolder folder("folder-missing");
  const auto failure_of = [&] { return error_of([&] { TensorFolder{folder.path()}; }); };
  EXPECT_THAT(failure_of(),
              AllOf(HasSubstr("expected model.safetensors"), HasSubstr("got neither")));
  folder.write("pytorch_model.bin", "");
  EXPECT_THAT(failure_of(),
              AllOf(HasSubstr("got pytorch_model.bin"), HasSubstr("safe_serialization")));
  const auto index = [&](const std::string& map) {
    folder.write("model.safetensors.index.json", map);
  };
  index("{}");
  EXPECT_THAT(failure_of(), HasSubstr("\"weight_map\""));
  index("[]");
  EXPECT_THAT(failure_of(), HasSubstr("\"weight_map\""));
  index(R"({"weight_map":{"a":"a.safetensors"}})");
  EXPECT_THAT(failure_of(), AllOf(HasSubstr("expected shard"), HasSubstr("a.safetensors")));
  folder.write("a.safetensors", single("z", 1));
  EXPECT_THAT(failure_of(), AllOf(HasSubstr("tensor \"a\""), HasSubstr("index.json"),
                                  HasSubstr("a.safetensors")));
  index(R"({"weight_map":{"a":"../a.safetensors"}})");
  EXPECT_THAT(failure_of(), HasSubstr("in the same folder"));
  index(R"({"weight_map":{"a":7}})");
  EXPECT_THAT(failure_of(), HasSubstr("in the same folder"));
}

}  // namespace
}  // namespace ilora
