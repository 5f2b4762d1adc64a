// A run finds its own model and tasks wherever it is opened from, and never another folder's; and
// runs of earlier versions are still read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "report/report.h"
#include "runs/schema.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Whether anything is warned of but that the tiny tasks have few steps.
bool warns_of_paths(const Outcome& outcome) {
  std::istringstream lines(outcome.err);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("warning: ") && line.find("optimiser steps") == line.npos) return true;
  }
  return false;
}

// A run that was begun in `a` by relative paths, as a configuration in a user's folder has them.
class RunPaths : public ::testing::Test {
 protected:
  void SetUp() override {
    make_home("a", "alpha");
    const Outcome outcome = in("a", train_arguments(settings()));
    ASSERT_EQ(outcome.code, 0) << outcome.all();
    make_home("b", "beta");  // a model and a task of the same names, and other bytes
    fs::resize_file(folder_ / "b/model/model.safetensors", 100);
  }

  // A folder with a model, and the tasks one (`task` of the tiny ones) and two.
  void make_home(const std::string& name, const std::string& task) {
    fs::create_directories(folder_ / name / "tasks");
    fs::copy(data_folder("tiny-model"), folder_ / name / "model");
    fs::copy(data_folder("tiny-tasks") / task, folder_ / name / "tasks/one");
    fs::copy(data_folder("tiny-tasks/gamma"), folder_ / name / "tasks/two");
  }
  static Settings settings() {
    return tiny_settings("runs/mine", "seq",
                         {"model.path=model", "data.folder=tasks", "data.tasks=one",
                          "train.epochs=1", "lora.rank=1"});
  }
  Outcome in(const std::string& place, const std::vector<std::string>& arguments) const {
    return run_ilora(folder_, arguments, {.directory = folder_ / place});
  }
  // Scores and answers of the run, asked for in `place`.
  std::string answers(const std::string& place, const std::string& run) const {
    const Outcome said = in(place, {"generate", "--run", run, "w12 w3", "--max-new-tokens", "4"});
    EXPECT_EQ(said.code, 0) << said.all();
    const Outcome scored =
        in(place, {"eval", run, "--data", (folder_ / "b/tasks/two").string(), "--json"});
    EXPECT_EQ(scored.code, 0) << scored.all();
    return said.out + Json::parse(scored.out).at("scores").dump();
  }

  TemporaryFolder folder_;
};

TEST_F(RunPaths, AnotherWorkingDirectoryChangesNothing) {
  EXPECT_EQ(answers("b", "../a/runs/mine"), answers("a", "runs/mine"));
  const Outcome analysed =
      in("b", {"analyze", "sharpness", "../a/runs/mine", "--hessian-rows", "4", "--probes", "2"});
  EXPECT_EQ(analysed.code, 0) << analysed.all();
}

TEST_F(RunPaths, ARunGoesOnFromAnotherWorkingDirectoryAndBack) {
  const Outcome more =
      in("b", {"train", "--continue", "../a/runs/mine", "--task", "../a/tasks/two"});
  ASSERT_EQ(more.code, 0) << more.all();
  EXPECT_FALSE(warns_of_paths(more)) << more.err;
  const Json hashes = results_of(folder_ / "a/runs/mine").at("made_from").at("tasks");
  ASSERT_EQ(hashes.size(), 2U);
  EXPECT_EQ(answers("b", "../a/runs/mine"), answers("a", "runs/mine"));
  const Outcome resumed = in("a", {"train", "--resume", "runs/mine"});
  EXPECT_EQ(resumed.code, 0) << resumed.all();
  EXPECT_EQ(results_of(folder_ / "a/runs/mine").at("made_from").at("tasks"), hashes);
}

TEST_F(RunPaths, AResumeInItsPlaceKeepsTheConfigurationToTheByte) {
  const fs::path config = RunFolder(folder_ / "a/runs/mine").config();
  const std::string before = read_file(config);
  EXPECT_THAT(before, AllOf(HasSubstr("path: model "), HasSubstr("folder: tasks ")));
  ASSERT_EQ(in("a", {"train", "--resume", "runs/mine"}).code, 0);
  EXPECT_EQ(read_file(config), before);
}

TEST_F(RunPaths, AFolderThatIsMovedAsAWholeTakesItsRunsAlong) {
  const std::string before = answers("a", "runs/mine");
  fs::rename(folder_ / "a", folder_ / "moved");
  EXPECT_EQ(answers("b", "../moved/runs/mine"), before);
}

TEST_F(RunPaths, WhatIsGoneIsSaidWithThePlacesLookedAt) {
  fs::rename(folder_ / "a/runs", folder_ / "b/runs");  // where there is another model
  fs::rename(folder_ / "a", folder_ / "gone");
  fs::remove_all(folder_ / "b/model");
  const Outcome said = in("b", {"generate", "--run", "runs/mine", "w1"});
  EXPECT_EQ(said.code, 1);
  EXPECT_THAT(said.err, AllOf(HasSubstr("a/model"), HasSubstr("b/model"), HasSubstr("model.path")));
  // What needs no model still works, and the command line may say where it is now.
  EXPECT_EQ(in("b", {"report", "runs/mine"}).code, 0);
  const Outcome told =
      in("b", {"generate", "--run", "runs/mine", "--model", "../gone/model", "w1"});
  EXPECT_EQ(told.code, 0) << told.all();
}

TEST_F(RunPaths, ATasksFolderThatIsGoneIsSaidToo) {
  fs::rename(folder_ / "a/tasks", folder_ / "a/elsewhere");
  const Outcome resumed = in("b", {"train", "--resume", "../a/runs/mine"});
  EXPECT_EQ(resumed.code, 1);
  EXPECT_THAT(resumed.err, AllOf(HasSubstr("a/tasks"), HasSubstr("data.folder")));
  const Outcome analysed = in("b", {"analyze", "sharpness", "../a/runs/mine", "--set",
                                    "data.folder=../a/elsewhere", "--steps", "2", "--probes", "1"});
  EXPECT_EQ(analysed.code, 0) << analysed.all();
}

// tests/data/earlier-run was written before results.json said what a run was made from.
class EarlierRun : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"tiny-model", "tiny-tasks", "earlier-run"})
      fs::copy(data_folder(name), folder_ / name, fs::copy_options::recursive);
  }

  TemporaryFolder folder_;
  const RunFolder run_{folder_ / "earlier-run"};
};

TEST_F(EarlierRun, IsReadAndWouldBeWrittenToTheSameBytes) {
  const auto results = read_run_file<Results>(run_);
  EXPECT_EQ(json_of(results).dump(2) + "\n", read_file(run_.path(Results::kFile)));
  std::string rows, steps;
  for (const ScoredRows& line : read_run_lines<ScoredRows>(run_)) rows += run_line(line) + "\n";
  EXPECT_EQ(rows, read_file(run_.path(ScoredRows::kFile)));
  for (const StepEvent& step : read_steps(run_)) steps += run_line(step) + "\n";
  EXPECT_EQ(std::ranges::count(steps, '\n'), 16);
  std::ifstream log(run_.path(kMetricsFile));
  for (std::string line; std::getline(log, line);) {
    if (line.starts_with("{\"event\":\"step\"")) {
      EXPECT_THAT(steps, HasSubstr(line + "\n"));
    }
  }
}

TEST_F(EarlierRun, IsReported) {
  const std::vector<fs::path> runs = {run_.path()};
  EXPECT_EQ(comparison_table(runs),
            "method  seed  average  backward  forgetting  alpha   beta\n"
            "ilora      1    0.562     0.125      -0.125  0.625  0.500\n");
  EXPECT_THAT(render_report(runs, ""), HasSubstr("fast learner"));
}

TEST_F(EarlierRun, GoesOnFromAnywhere) {
  const fs::path elsewhere = folder_ / "elsewhere";
  fs::create_directories(elsewhere);
  const Outcome more = run_ilora(folder_,
                                 {"train", "--continue", run_.path().string(), "--task",
                                  (folder_ / "tiny-tasks/gamma").string()},
                                 {.directory = elsewhere});
  ASSERT_EQ(more.code, 0) << more.all();
  EXPECT_FALSE(warns_of_paths(more)) << more.err;
  const auto results = read_run_file<Results>(run_);
  EXPECT_EQ(results.tasks.size(), 3U);
  ASSERT_TRUE(results.made_from);
  EXPECT_EQ(results.made_from->working_directory, elsewhere.string());
}

// Its place does not tell where it was begun: what is used is said.
TEST_F(EarlierRun, WhoseOriginIsUnknownIsLookedForFromHereWithAWarning) {
  fs::rename(run_.path(), folder_ / "renamed");
  const std::vector<std::string> ask = {"generate", "--run", (folder_ / "renamed").string(), "w1"};
  const Outcome here = run_ilora(folder_, ask, {.directory = folder_ / ""});
  EXPECT_EQ(here.code, 0) << here.all();
  EXPECT_THAT(here.err, AllOf(HasSubstr("warning"), HasSubstr("model.path tiny-model")));
}

}  // namespace
}  // namespace ilora::testing
