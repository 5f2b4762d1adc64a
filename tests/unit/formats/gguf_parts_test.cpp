// Split GGUF files: any part opens all, and what does not fit together is named.
#include "formats/gguf_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/gguf.h"
#include "tests/unit/formats/bytes.h"

namespace ilora {
namespace {

using test::Builder;
using test::error_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A part with one tensor of two floats.
std::string part(uint16_t number, uint16_t count, const std::string& tensor, float value) {
  Builder b;
  b.header(3, 1, 4);
  b.entry("general.architecture", 8).string(number == 0 ? "llama" : "later parts say little");
  b.entry("split.no", 2).number(number);
  b.entry("split.count", 2).number(count);
  b.entry("split.tensors.count", 5).number(int32_t{count});
  b.tensor(tensor, {2}, 0, 0).align(32);
  return b.number(value).number(value + 1).out;
}

class SplitGguf : public ::testing::Test {
 protected:
  void SetUp() override {
    for (uint16_t i = 0; i < 3; ++i)
      write(i, part(i, 3, fmt::format("t{}", i), static_cast<float>(10 * i)));
  }
  void write(int number, const std::string& content) { folder_.write(name(number), content); }
  static std::string name(int number) { return fmt::format("m.x-{:05}-of-00003.gguf", number + 1); }
  std::string error(int number) const {
    return error_of([&] { GgufFile file(folder_.path() / name(number)); });
  }
  test::TestFolder folder_{"gguf-parts"};
};

TEST_F(SplitGguf, AnyPartOpensAll) {
  for (int given = 0; given < 3; ++given) {
    GgufFile opened(folder_.path() / name(given));
    const GgufFile file = std::move(opened);  // views outlive a move
    EXPECT_EQ(file.text("general.architecture"), "llama");
    ASSERT_EQ(file.tensors().size(), 3u);
    EXPECT_EQ(file.files().size(), 3u);
    EXPECT_THAT(file.name(), HasSubstr(name(0)));
    for (int i = 0; i < 3; ++i) {
      std::vector<float> values(2);
      expand_rows(values.data(), file.tensor(fmt::format("t{}", i)), 0, 1);
      EXPECT_THAT(values, ElementsAre(10 * i, 10 * i + 1));
    }
  }
}

TEST_F(SplitGguf, NamesThePartThatIsMissing) {
  std::filesystem::remove(folder_.path() / name(1));
  EXPECT_THAT(error(2), AllOf(HasSubstr(name(1)), HasSubstr("obtain all of them")));
}

TEST_F(SplitGguf, NamesPartsThatDoNotFit) {
  write(2, part(1, 3, "t2", 0));
  EXPECT_THAT(error(0),
              AllOf(HasSubstr("expected part 3 of 3, got part 2 of 3"), HasSubstr(name(2))));
  write(2, part(2, 3, "t1", 0));
  EXPECT_THAT(error(0), AllOf(HasSubstr("t1"), HasSubstr("in two"), HasSubstr(name(2))));
  write(2, part(2, 3, "t2", 0));
  EXPECT_EQ(error(0), "");
  write(0, part(0, 4, "t0", 0));
  EXPECT_THAT(error(0), AllOf(HasSubstr("split.count"), HasSubstr("part 1 of 4")));
}

TEST_F(SplitGguf, APartUnderAnotherNameIsRefused) {
  folder_.write("renamed.gguf", part(0, 3, "t0", 0));
  EXPECT_THAT(error_of([&] { GgufFile file(folder_.path() / "renamed.gguf"); }),
              AllOf(HasSubstr("part 1 of 3"), HasSubstr("NAME-00001-of-00003.gguf")));
}

TEST(GgufParts, OtherNamesAreAlone) {
  for (const char* name : {"a.gguf", "a-00001-of-00001.gguf", "a-00004-of-00003.gguf",
                           "a-1-of-2.gguf", "a-00001-of-00002.safetensors"}) {
    EXPECT_THAT(gguf_parts(name), ElementsAre(std::filesystem::path(name)));
  }
}

}  // namespace
}  // namespace ilora
