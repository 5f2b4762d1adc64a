#include "serve/request_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "base/json.h"

namespace ilora {
namespace {

std::string problem(const char* text, const std::function<void(RequestFields&)>& read) {
  try {
    const Json body = parse_json(text, "test");
    RequestFields fields(body);
    read(fields);
    fields.done();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kData);
    return e.what();
  }
  return "none";
}

TEST(RequestFields, EachKindIsReadInItsRange) {
  const Json body = parse_json(R"({"a": 0.5, "b": 7, "c": true, "d": "x", "e": ["y", "z"],
                                   "f": "w", "g": null})",
                               "test");
  RequestFields fields(body);
  EXPECT_EQ(fields.number("a", 0, 1), 0.5);
  EXPECT_EQ(fields.number("b", 0, 10), 7.0);
  EXPECT_EQ(fields.integer("b", 0, 10), 7);
  EXPECT_EQ(fields.flag("c"), true);
  EXPECT_EQ(fields.text("d"), "x");
  EXPECT_EQ(fields.texts("e", 2), (std::vector<std::string>{"y", "z"}));
  EXPECT_EQ(fields.texts("f", 1), std::vector<std::string>{"w"});
  EXPECT_EQ(fields.integer("g", 0, 1), std::nullopt) << "null is as if it were not there";
  EXPECT_EQ(fields.text("h"), std::nullopt);
  EXPECT_NO_THROW(fields.done());
}

TEST(RequestFields, AnotherTypeOrRangeIsNamed) {
  using ::testing::AllOf;
  using ::testing::HasSubstr;
  const auto number = [](RequestFields& f) { f.number("a", 0, 1); };
  const auto integer = [](RequestFields& f) { f.integer("a", 0, 9); };
  for (const char* wrong : {"2", "-1", "\"1\"", "true", "[]", "{}"})
    EXPECT_THAT(problem(fmt::format("{{\"a\": {}}}", wrong).c_str(), number),
                AllOf(HasSubstr("\"a\""), HasSubstr(wrong)));
  for (const char* wrong : {"10", "1.5", "18446744073709551615", "\"1\""})
    EXPECT_THAT(problem(fmt::format("{{\"a\": {}}}", wrong).c_str(), integer), HasSubstr("\"a\""));
  EXPECT_THAT(problem(R"({"a": 1})", [](RequestFields& f) { f.flag("a"); }), HasSubstr("\"a\""));
  EXPECT_THAT(problem(R"({"a": 1})", [](RequestFields& f) { f.text("a"); }), HasSubstr("\"a\""));
  for (const char* wrong : {"[\"\"]", "\"\"", "[1]", "[\"x\",\"y\",\"z\"]"})
    EXPECT_THAT(problem(fmt::format("{{\"a\": {}}}", wrong).c_str(),
                        [](RequestFields& f) { f.texts("a", 2); }),
                HasSubstr("\"a\""));
  EXPECT_THAT(problem("[]", [](RequestFields&) {}), HasSubstr("object"));
}

TEST(RequestFields, WhatNobodyReadIsRefused) {
  using ::testing::HasSubstr;
  const auto read = [](RequestFields& f) {
    f.text("known");
    f.ignore({"user"});
    f.only("penalty", "0");
  };
  EXPECT_EQ(problem(R"({"known": "x", "user": 3, "penalty": 0})", read), "none");
  EXPECT_EQ(problem(R"({"penalty": 0.0})", read), "none");
  EXPECT_THAT(problem(R"({"unknown": 1})", read), HasSubstr("unknown"));
  EXPECT_THAT(problem(R"({"penalty": 0.5})", read), HasSubstr("penalty"));
  const std::string book(100'000, 'x');
  EXPECT_LT(problem(fmt::format("{{\"{}\": 1}}", book).c_str(), read).size(), 200u);
  EXPECT_LT(problem(fmt::format("{{\"known\": [\"{}\"]}}", book).c_str(), read).size(), 200u);
}

}  // namespace
}  // namespace ilora
