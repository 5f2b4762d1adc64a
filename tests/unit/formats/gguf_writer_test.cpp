// GGUF files written here, read back; and a file copied.
#include "formats/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "formats/gguf.h"
#include "tests/unit/formats/bytes.h"

namespace ilora {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

PlannedTensor planned(const std::string& name, std::vector<int64_t> shape,
                      const std::vector<float>& values) {
  return {name, DType::kF32, std::move(shape),
          [values](std::span<std::byte> out) { fill_elements(out, DType::kF32, values, "x"); }};
}

TEST(GgufWriter, WritesWhatIsRead) {
  const test::TestFolder folder("gguf-writer");
  GgufWriter writer;
  writer.text("general.architecture", "llama");
  writer.u32("general.file_type", 1);
  writer.f32("scale", 0.5f);
  writer.u32("general.file_type", 7);  // the last counts
  writer.add(planned("b", {2, 3}, {0, 1, 2, 3, 4, 5}));
  writer.add(planned("a", {1}, {-7}));
  writer.write(folder.path() / "x.gguf");
  const GgufFile file(folder.path() / "x.gguf");
  EXPECT_EQ(file.version(), 3U);
  EXPECT_EQ(file.text("general.architecture"), "llama");
  EXPECT_EQ(file.integer("general.file_type"), 7);
  EXPECT_EQ(file.number("scale"), 0.5);
  EXPECT_EQ(file.metadata().size(), 3U);
  ASSERT_EQ(file.tensors().size(), 2U);
  EXPECT_EQ(file.tensors()[0].name, "b");
  EXPECT_THAT(file.tensor("b").shape, ElementsAre(2, 3));
  std::vector<float> values(3);
  expand_rows(values.data(), file.tensor("b"), 1, 2);
  EXPECT_THAT(values, ElementsAre(3, 4, 5));
  expand_rows(values.data(), file.tensor("a"), 0, 1);
  EXPECT_EQ(values[0], -7);
}

// Every kind of value, and every type of tensor, as the reference's writer has them.
TEST(GgufWriter, CopiesAFile) {
  const test::TestFolder folder("gguf-copy");
  for (const char* name : {"quant/types.gguf", "tiny-llama/mixed.gguf"}) {
    const GgufFile source(std::string(ILORA_SOURCE_DIR "/tests/golden/") + name);
    GgufWriter writer;
    for (const auto& [key, value] : source.metadata()) writer.copy(key, value);
    for (const StoredTensor& tensor : source.tensors()) writer.add(planned_copy(tensor));
    writer.write(folder.path() / "copy.gguf");
    const GgufFile copy(folder.path() / "copy.gguf");
    ASSERT_EQ(copy.metadata().size(), source.metadata().size());
    for (const auto& [key, value] : source.metadata()) {
      const GgufValue& got = *copy.find(key);
      EXPECT_EQ(got.describe(), value.describe()) << key;
      EXPECT_EQ(got.strings, value.strings) << key;
      EXPECT_TRUE(std::ranges::equal(got.bytes, value.bytes)) << key;
    }
    ASSERT_EQ(copy.tensors().size(), source.tensors().size());
    for (size_t i = 0; i < source.tensors().size(); ++i) {
      EXPECT_EQ(copy.tensors()[i].describe(), source.tensors()[i].describe());
      EXPECT_TRUE(std::ranges::equal(copy.tensors()[i].bytes, source.tensors()[i].bytes));
    }
  }
}

TEST(GgufWriter, AlignsAsTheFileSays) {
  const test::TestFolder folder("gguf-aligned");
  GgufWriter writer;
  writer.u32("general.alignment", 128);
  writer.add(planned("a", {1}, {1}));
  writer.add(planned("b", {1}, {2}));
  writer.write(folder.path() / "x.gguf");
  const GgufFile file(folder.path() / "x.gguf");
  EXPECT_EQ(file.tensor("b").bytes.data() - file.tensor("a").bytes.data(), 128);
}

TEST(GgufWriter, LeavesNothingWhereATensorCannotBeFilled) {
  const test::TestFolder folder("gguf-failed");
  GgufWriter writer;
  PlannedTensor large = planned("large", {1}, {1});
  large.dtype = DType::kF16;
  large.fill = [](std::span<std::byte> out) {
    const float values[] = {70000};
    fill_elements(out, DType::kF16, values, "large");
  };
  writer.add(std::move(large));
  EXPECT_THAT(test::error_of([&] { writer.write(folder.path() / "x.gguf"); }),
              HasSubstr("large holds numbers that F16 does not"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace ilora
