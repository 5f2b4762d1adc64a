// What a run was made from comes back, and its paths lead to its own files from anywhere.
#include "runs/made_from.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "runs/results.h"
#include "runs/schema.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A working directory for a test.
class WorkingDirectory {
 public:
  explicit WorkingDirectory(const fs::path& path) : before_(fs::current_path()) {
    fs::current_path(path);
  }
  ~WorkingDirectory() { fs::current_path(before_); }
  WorkingDirectory(const WorkingDirectory&) = delete;

 private:
  fs::path before_;
};

// A run that was begun in `a` with a model beside it; `b` has a model of its own.
class Paths : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* path : {"a/model", "a/runs/one", "b/model"}) make_folder(root_ / path);
    const WorkingDirectory here(root_ / "a");
    made_from_.working_directory = fs::current_path().string();
    made_from_.paths = {record_path("model", RunFolder("runs/one"))};
  }
  std::string at(const std::string& path) const { return (root_ / path).string(); }
  FoundPath find(const std::string& written, const std::string& run = "a/runs/one") const {
    return find_path(written, made_from_, RunFolder(root_ / run));
  }

  TemporaryFolder root_;
  MadeFrom made_from_;
};

TEST_F(Paths, AreRecordedAbsoluteAndRelativeToTheRun) {
  EXPECT_EQ(made_from_.paths[0].written, "model");
  EXPECT_EQ(made_from_.paths[0].absolute, at("a/model"));
  EXPECT_EQ(made_from_.paths[0].relative, "../../model");
}

TEST_F(Paths, StayAsTheyAreWrittenWhereTheRunWasBegun) {
  const WorkingDirectory here(root_ / "a");
  EXPECT_EQ(find_path("model", made_from_, RunFolder("runs/one")).path, "model");
}

TEST_F(Paths, LeadToTheRunsOwnFilesFromAnotherFolder) {
  const WorkingDirectory here(root_ / "b");  // which has a model, too
  const FoundPath found = find_path("model", made_from_, RunFolder("../a/runs/one"));
  EXPECT_EQ(found.path, at("a/model"));
  EXPECT_THAT(found.looked, IsEmpty());
}

TEST_F(Paths, MoveWithTheRun) {
  fs::rename(root_ / "a", root_ / "moved");
  const WorkingDirectory here(root_ / "b");
  EXPECT_EQ(find("model", "moved/runs/one").path, at("moved/model"));
}

TEST_F(Paths, ThatAreGoneSayWhereTheyWereLookedFor) {
  fs::rename(root_ / "a", root_ / "moved");
  fs::remove(root_ / "moved/model");
  const WorkingDirectory here(root_ / "b");
  const FoundPath found = find("model", "moved/runs/one");
  EXPECT_EQ(found.path, at("a/model")) << "and not the one that is here";
  EXPECT_THAT(found.looked, ElementsAre(at("a/model"), at("moved/model")));
}

TEST_F(Paths, ThatWereWrittenIntoTheConfigurationLaterBeginWhereItDoes) {
  make_folder(root_ / "a/other");
  EXPECT_EQ(find("other").path, at("a/other"));
  EXPECT_THAT(find("none").looked, ElementsAre(at("a/none")));
  EXPECT_EQ(find(at("b/model")).path, at("b/model")) << "absolute: as it stands";
}

MadeFrom example() {
  return {"0.1.0",
          "/home/me",
          {{"model", "/home/me/model", "../../model"}},
          {{"model.gguf", 98'000'000, "00ff"}},
          {{"a", {{"train", {16, "01"}}, {"test", {8, "02"}}}}},
          {{"method", "seq"}, {"train.epochs", "4"}},
          {"the model is another one"}};
}

TEST(MadeFrom, ComesBackFromTheRunsResults) {
  const TemporaryFolder folder;
  const RunFolder run(folder / "");
  Results results;
  results.tasks = {"a"};
  results.made_from = example();
  write_run_file(run, results);
  const auto read = made_from_of(run, "elsewhere");
  ASSERT_TRUE(read);
  EXPECT_EQ(json_of(*read), json_of(example()));
  EXPECT_EQ(read->options[1].second, "4");
  EXPECT_EQ(read->tasks[0].splits[0].second.rows, 16);
}

TEST(MadeFrom, OfAnEarlierVersionIsWhereItsOutputLeadsFrom) {
  const TemporaryFolder folder;
  make_folder(folder / "a/runs/one");
  const RunFolder run(folder / "a/runs/one");
  const auto begun = [&](const std::string& output) {
    const auto made_from = made_from_of(run, output);
    return made_from ? made_from->working_directory : "unknown";
  };
  EXPECT_EQ(begun("runs/one"), (folder / "a").string());
  EXPECT_EQ(begun("./runs/one/"), (folder / "a").string());
  EXPECT_EQ(begun("one"), (folder / "a/runs").string());
  EXPECT_EQ(begun("runs/two"), "unknown");
  EXPECT_EQ(begun("../runs/one"), "unknown");
  EXPECT_EQ(begun((folder / "a/runs/one").string()), "unknown");
  EXPECT_EQ(begun(""), "unknown");
}

}  // namespace
}  // namespace ilora
