#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string message_of(std::string_view text) {
  try {
    parse_json(text, "rows.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kFormat);
    EXPECT_THAT(error.what(), Not(HasSubstr("exception"))) << "the library's own words";
    return error.what();
  }
  ADD_FAILURE() << "accepted " << text.substr(0, 60);
  return {};
}

std::string nested(size_t depth, const std::string& open, const std::string& close) {
  std::string text;
  for (size_t i = 0; i < depth; ++i) text += open;
  text += "1";
  for (size_t i = 0; i < depth; ++i) text += close;
  return text;
}

TEST(Json, ErrorsNameLineAndColumn) {
  EXPECT_THAT(message_of("{\"a\": x}"),
              HasSubstr("rows.json is not valid JSON at line 1, column 7"));
  EXPECT_THAT(message_of("{\n  \"a\": 1,\n  b\n}"), HasSubstr("line 3, column 3"));
  EXPECT_THAT(message_of("[1,\n2"), HasSubstr("line 2, column"));
  EXPECT_THAT(message_of(""), HasSubstr("line 1, column 1"));
}

TEST(Json, ErrorsNameTheCauseWhereItIsKnown) {
  struct Case {
    std::string_view text, cause;
  };
  for (const auto& [text, cause] : {
           Case{"\"\xff\"", "a text is not UTF-8"},
           {"{\"a\": \"\\ud83d x\"}", "half of a pair of surrogates"},
           {"[\"a\nb\"]", "a control character stands in a text"},
           {"[1e400]", "a number is too large"},
           {"[NaN]", "JSON has no NaN"},
           {"{\"a\": None}", "JSON has no None"},
           {"{'a': 1}", "texts stand in double quotes"},
           {"[1, 2, ]", "a comma stands before the bracket"},
           {"{\"a\": 1,}", "a comma stands before the bracket"},
           {"{} {}", "something follows the end of the value"},
           {"[1, 2", "it ends too early"},
           {std::string_view("{}\0", 3), "a NUL byte"},
           {std::string_view("{}\0{}", 5), "a NUL byte"},
       })
    EXPECT_THAT(message_of(text), HasSubstr(cause)) << text;
}

TEST(Json, NothingMayBeThereTwice) {
  EXPECT_THAT(message_of(R"({"a": 1, "b": 2, "a": 3})"), HasSubstr("has the key \"a\" twice"));
  EXPECT_THAT(message_of(R"([{}, {"b": {"c": 1, "c": 2}}])"),
              HasSubstr("has the key \"[1].b.c\" twice"));
  EXPECT_NO_THROW(parse_json(R"({"a": {"a": 1}, "b": {"a": 1}})", "x"));
}

TEST(Json, DeepTextsAreRefused) {
  for (const auto& [open, close] :
       {std::pair{"[", "]"}, {"{\"a\":", "}"}, {"{\"a\":1,\"b\":[", "]}"}}) {
    EXPECT_NO_THROW(parse_json(nested(100, open, close), "x"));
    EXPECT_THAT(message_of(nested(200'000, open, close)), HasSubstr("nested more than 256 deep"));
  }
  // Behind it another key: the library's own objects copy, recursively, when they grow.
  EXPECT_THAT(message_of("{\"x\":" + nested(200'000, "[", "]") + ",\"y\":1}"),
              HasSubstr("nested more than 256 deep"));
}

TEST(Json, KeepsTheOrderOfKeysAndRoundTrips) {
  const TemporaryFolder folder;
  const Json value = parse_json(R"({"z": 1, "a": [true, null, "ü", [], {}, -2, 0.5]})", "text");
  EXPECT_EQ(value.begin().key(), "z");
  EXPECT_EQ(value.dump(), R"({"z":1,"a":[true,null,"ü",[],{},-2,0.5]})");
  write_json(folder / "x.json", value);
  EXPECT_EQ(read_json(folder / "x.json"), value);
  EXPECT_TRUE(read_file(folder / "x.json").ends_with("}\n"));
  EXPECT_EQ(read_json_tree(folder / "x.json").dump(), JsonTree(value).dump());
}

TEST(Json, ReadsManyKeysOfOneObject) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += fmt::format("{}\"k{}\":{}", i ? "," : "", i, i);
  const Json value = parse_json(text + "}", "x");  // the square of it would take minutes
  EXPECT_EQ(value.size(), 200'000u);
  EXPECT_EQ(std::prev(value.end()).key(), "k199999");
}

TEST(Json, NumbersKeepTheirDigitsWhereAsked) {
  const auto digits = [](const char* text) {
    const Json value = parse_json(text, "x", JsonNumbers::kDigits);
    return value.is_string() ? "text " + value.get<std::string>() : value.dump();
  };
  EXPECT_EQ(digits("3.10"), "text 3.10");
  EXPECT_EQ(digits("1e3"), "text 1e3");
  EXPECT_EQ(digits("12345678901234567890123"), "text 12345678901234567890123");
  EXPECT_EQ(digits("-0.0"), "-0.0");
  EXPECT_EQ(digits("0.1"), "0.1");
  EXPECT_EQ(digits("18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(parse_json("3.10", "x"), Json(3.1));
}

TEST(Json, LookUpsThatFailAreSaidInOurWords) {
  const Json value = parse_json(R"({"r": "eight"})", "x");
  const auto problem = [&](const auto& look_up) -> std::string {
    try {
      look_up();
    } catch (const Json::exception& error) {
      return what_is_wrong(error);
    }
    return "none";
  };
  EXPECT_EQ(problem([&] { static_cast<void>(value.at("alpha")); }), "the key \"alpha\" is missing");
  EXPECT_EQ(problem([&] { static_cast<void>(value.at("r").get<int>()); }),
            "expected number, got string");
}

TEST(Json, WritesInvalidUtf8AsReplacementCharacter) {
  const TemporaryFolder folder;
  write_json(folder / "x.json", Json("a\xff"));
  EXPECT_EQ(read_json(folder / "x.json"), Json("a\xef\xbf\xbd"));
  EXPECT_EQ(json_text({{"a\xff", 1}}, -1), "{\"a\xef\xbf\xbd\":1}");
}

}  // namespace
}  // namespace ilora
