#include "runs/analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runs/schema.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::HasSubstr;

TEST(Analysis, AllOfARunAreReadByName) {
  const TemporaryFolder folder;
  const RunFolder run(folder / "");
  EXPECT_TRUE(read_analyses(run).empty()) << "no folder";
  make_folder(run.analysis());
  Analysis written{"path", "Between checkpoints", {"One.", "Two."}, {{{"id", "x"}}}};
  write_json(run.analysis() / "path.json", json_of(written));
  written.analysis = "plane";
  Json more = json_of(written);
  more["through"] = {1, 2, 3};  // an analysis has keys of its own
  write_json(run.analysis() / "a plane.json", more);
  write_file_atomic(run.analysis() / "path.csv", "x\n");
  const auto read = read_analyses(run);
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read.at("a plane").analysis, "plane");
  EXPECT_EQ(read.at("path").title, "Between checkpoints");
  EXPECT_EQ(read.at("path").text, (std::vector<std::string>{"One.", "Two."}));
  EXPECT_EQ(read.at("path").figures.at(0).at("id"), "x");
}

TEST(Analysis, WhatIsNoneIsNamed) {
  const TemporaryFolder folder;
  const RunFolder run(folder / "");
  make_folder(run.analysis());
  const std::filesystem::path file = run.analysis() / "notes.json";
  write_json(file, {{"title", 3}});
  EXPECT_THAT(message_of([&] { read_analyses(run); }),
              testing::AllOf(HasSubstr("\"title\" to be a text"), HasSubstr("notes.json")));
  write_json(file, {{"title", "x"}, {"text", Json::array()}});
  EXPECT_THAT(message_of([&] { read_analyses(run); }), HasSubstr("a key \"figures\""));
  write_json(file, {{"schema", 2}});
  EXPECT_THAT(message_of([&] { read_analyses(run); }), HasSubstr("got schema 2"));
}

}  // namespace
}  // namespace ilora
