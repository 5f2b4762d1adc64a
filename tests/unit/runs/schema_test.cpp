// One list of keys for both ways: what is written comes back, and what is not right is named.
#include "runs/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Part {
  bool on = false;
  double figure = 0;

  static void visit(auto& keys, auto& self) {
    keys.required("on", self.on);
    keys.value("figure", self.figure);
  }
  bool operator==(const Part&) const = default;
};

// Every kind of member and of key.
struct Whole {
  static constexpr const char* kFile = "whole.json";
  static constexpr const char* kRemedy = "Write it again.";

  int64_t count = 0;
  std::string name;
  std::optional<double> maybe;
  std::vector<std::string> list;
  std::vector<std::vector<std::optional<double>>> matrix;
  std::map<std::string, Part> parts;
  std::vector<std::pair<std::string, double>> ordered;
  std::string note;
  std::vector<std::pair<std::string, double>> others;

  static void visit(auto& keys, auto& self) {
    keys.schema(3);
    keys.constant("kind", "whole");
    keys.required("count", self.count);
    keys.value("name", self.name);
    keys.value("maybe", self.maybe);
    keys.value("list", self.list);
    keys.value("matrix", self.matrix);
    keys.value("parts", self.parts);
    keys.value("ordered", self.ordered);
    keys.unless_empty("note", self.note);
    keys.rest(self.others);
  }
  std::string problem() const { return count < 0 ? "\"count\" to be above 0" : ""; }
  bool operator==(const Whole&) const = default;
};

Whole example() {
  return {(int64_t{1} << 53) + 1,
          "Übung \"1\"",
          std::nullopt,
          {"b", "a"},
          {{0.1, std::nullopt}, {}},
          {{"left", {true, 1e-300}}, {"right", {false, -0.0}}},
          {{"z", 1.0}, {"a", 0.25}},
          "",
          {{"extra", 2.5}}};
}

Whole parsed(const Json& json) {
  return JsonReader::parse<Whole>(json, {"whole.json", Whole::kRemedy});
}

TEST(Schema, WhatIsWrittenComesBack) {
  const TemporaryFolder folder;
  make_folder(folder / "run");
  const RunFolder run(folder / "run");
  write_run_file(run, example());
  EXPECT_EQ(read_run_file<Whole>(run), example());
  Whole other;
  other.maybe = 3;
  other.note = "a word";
  write_run_file(run, other);
  EXPECT_EQ(read_run_file<Whole>(run), other);
}

TEST(Schema, KeysStandInTheirOrderAndEmptyNotesDoNot) {
  EXPECT_EQ(json_of(example()).dump(),
            "{\"schema\":3,\"kind\":\"whole\",\"count\":9007199254740993,\"name\":\"Übung "
            "\\\"1\\\"\",\"maybe\":null,\"list\":[\"b\",\"a\"],\"matrix\":[[0.1,null],[]],"
            "\"parts\":{\"left\":{\"on\":true,\"figure\":1e-300},\"right\":{\"on\":false,"
            "\"figure\":-0.0}},\"ordered\":{\"z\":1.0,\"a\":0.25},\"extra\":2.5}");
}

TEST(Schema, UnknownKeysAreIgnoredAndOptionalOnesMayBeAbsent) {
  const Whole whole =
      parsed({{"kind", "whole"}, {"count", 2}, {"future", {1, 2}}, {"note", "text"}});
  EXPECT_EQ(whole.count, 2);
  EXPECT_EQ(whole.note, "text");
  EXPECT_TRUE(whole.others.empty()) << "a list is no figure";
}

TEST(Schema, WhatIsWrongIsNamedWithItsKeyAndWhatWouldBeRight) {
  const Json right = json_of(example());
  const auto with = [&](const char* key, const Json& value) {
    Json json = right;
    json[key] = value;
    return message_of([&] { parsed(json); });
  };
  EXPECT_THAT(with("count", "many"),
              HasSubstr("expected \"count\" to be a whole number, got \"many\" (whole.json)"));
  EXPECT_THAT(with("count", 1.5), HasSubstr("\"count\" to be a whole number"));
  EXPECT_THAT(with("count", -1), HasSubstr("expected \"count\" to be above 0 (whole.json)"));
  EXPECT_THAT(with("name", nullptr), HasSubstr("\"name\" to be a text, got null"));
  EXPECT_THAT(with("maybe", "x"), HasSubstr("\"maybe\" to be a number"));
  EXPECT_THAT(with("list", "x"), HasSubstr("\"list\" to be a list"));
  EXPECT_THAT(with("list", {"a", 1}), HasSubstr("\"list[1]\" to be a text, got 1"));
  EXPECT_THAT(with("matrix", {{0.5}, {0.5, true}}), HasSubstr("\"matrix[1][1]\" to be a number"));
  EXPECT_THAT(with("parts", Json::array()), HasSubstr("\"parts\" to be an object"));
  EXPECT_THAT(with("parts", {{"left", 1}}), HasSubstr("\"parts.left\" to be an object"));
  EXPECT_THAT(with("parts", {{"left", {{"on", 1}}}}),
              HasSubstr("\"parts.left.on\" to be true or false"));
  EXPECT_THAT(with("parts", {{"left", Json::object()}}),
              HasSubstr("expected a key \"parts.left.on\", got none"));
  EXPECT_THAT(with("ordered", {{"z", "x"}}), HasSubstr("\"ordered.z\" to be a number"));
  EXPECT_THAT(with("kind", "half"), HasSubstr("\"kind\" to be whole, got \"half\""));
  EXPECT_THAT(with("name", 0), HasSubstr("\nWrite it again.")) << "and what to do";
  EXPECT_THAT(with("schema", 4), AllOf(HasSubstr("expected schema 3, got schema 4 (whole.json)"),
                                       HasSubstr("another version")));
  Json without = right;
  without.erase("count");
  EXPECT_THAT(message_of([&] { parsed(without); }), HasSubstr("expected a key \"count\""));
  EXPECT_THAT(message_of([&] { parsed(Json::array()); }), HasSubstr("expected an object, got []"));
}

TEST(Schema, AMissingFileIsNamed) {
  const RunFolder nowhere("/no/such/run");
  EXPECT_THAT(message_of([&] { read_run_file<Whole>(nowhere); }),
              AllOf(HasSubstr("/no/such/run/whole.json"), HasSubstr("ilora train")));
  EXPECT_TRUE(read_run_lines<Whole>(nowhere).empty());
}

TEST(Schema, LinesThatCannotBeReadAreNotTakenForNone) {
  const TemporaryFolder folder;
  const RunFolder run(folder.path());
  make_folder(run.path(Whole::kFile));
  EXPECT_EQ(error_of([&] { read_run_lines<Whole>(run); }).kind(), ErrorKind::kFile);
}

TEST(Schema, LinesComeBackAndADamagedOneIsNamed) {
  const TemporaryFolder folder;
  make_folder(folder / "run");
  const RunFolder run(folder / "run");
  append_run_line(run, example());
  append_run_line(run, Whole{});
  EXPECT_EQ(read_run_lines<Whole>(run), (std::vector<Whole>{example(), Whole{}}));
  append_line(run.path(Whole::kFile), "{\"kind\": \"whole\"}");
  EXPECT_THAT(message_of([&] { read_run_lines<Whole>(run); }),
              AllOf(HasSubstr("\"count\""), HasSubstr("whole.json, line 3")));
}

}  // namespace
}  // namespace ilora
