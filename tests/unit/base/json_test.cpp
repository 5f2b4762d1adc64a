#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using testing::HasSubstr;

std::string message_of(std::string_view text) {
  try {
    parse_json(text, "rows.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kFormat);
    return error.what();
  }
  ADD_FAILURE() << "accepted " << text;
  return {};
}

TEST(Json, ErrorsNameLineAndColumn) {
  EXPECT_THAT(message_of("{\"a\": x}"),
              HasSubstr("rows.json is not valid JSON at line 1, column 7"));
  EXPECT_THAT(message_of("{\n  \"a\": 1,\n  b\n}"), HasSubstr("line 3, column 3"));
  EXPECT_THAT(message_of("[1,\n2"), HasSubstr("line 2, column"));
  EXPECT_THAT(message_of(""), HasSubstr("line 1, column 1"));
}

TEST(Json, InvalidUtf8IsAnErrorNotACrash) {
  EXPECT_THAT(message_of("\"\xff\""), HasSubstr("line 1"));
}

TEST(Json, KeepsTheOrderOfKeysAndRoundTrips) {
  const TemporaryFolder folder;
  const Json value = parse_json(R"({"z": 1, "a": [true, null, "ü"]})", "text");
  EXPECT_EQ(value.begin().key(), "z");
  write_json(folder / "x.json", value);
  EXPECT_EQ(read_json(folder / "x.json"), value);
  EXPECT_TRUE(read_file(folder / "x.json").ends_with("}\n"));
}

TEST(Json, WritesInvalidUtf8AsReplacementCharacter) {
  const TemporaryFolder folder;
  write_json(folder / "x.json", Json("a\xff"));
  EXPECT_EQ(read_json(folder / "x.json"), Json("a\xef\xbf\xbd"));
}

}  // namespace
}  // namespace ilora
