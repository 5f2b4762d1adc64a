// What is said of a run whose result is not what it could be: tasks of few steps, and a deployed learner
// that another one of the run beats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runs/schema.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Warnings, TasksOfFewStepsAreNamed) {
  const TemporaryFolder folder;
  const auto train = [&](const char* run, const char* epochs) {
    return run_ilora(folder, train_arguments(tiny_settings(folder / run, "seq",
                                                           {"data.tasks=alpha,beta", epochs})));
  };
  const Outcome few = train("few", "train.epochs=4");
  ASSERT_EQ(few.code, 0) << few.err;
  EXPECT_THAT(few.err, HasSubstr("alpha (16 rows, 16 steps), beta (16 rows, 16 steps)"));
  EXPECT_THAT(few.err, HasSubstr("train.epochs (4 now)"));
  const Outcome enough = train("enough", "train.epochs=5");
  ASSERT_EQ(enough.code, 0) << enough.err;
  EXPECT_THAT(enough.err, Not(HasSubstr("optimiser steps")));
}

// A finished run whose rows are written anew, so that one learner is ahead.
void let_lead(const RunFolder& run, const std::string& learner) {
  auto rows = read_run_lines<ScoredRows>(run);
  std::string lines;
  for (ScoredRows& scored : rows) {
    for (double& score : scored.scores) score = scored.learner == learner ? 1 : 0;
    lines += run_line(scored) + "\n";
  }
  write_file_atomic(run.path(ScoredRows::kFile), lines);
}

TEST(Warnings, ADeployedLearnerThatTrailsIsNamedByReportAndGenerate) {
  const TemporaryFolder folder;
  const RunFolder run(folder / "run");
  const Settings settings = tiny_settings(run.path(), "ilora", {"data.tasks=alpha,beta"});
  ASSERT_EQ(run_ilora(folder, train_arguments(settings)).code, 0);
  const std::string page = (folder / "page.html").string();
  const auto said = [&](const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"generate", "--run", run.path().string(), "one two"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run_ilora(folder, arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(run_ilora(folder, {"report", run.path().string(), "--out", page}).code, 0);
    return outcome.err;
  };
  let_lead(run, "slow");
  EXPECT_THAT(said(), Not(HasSubstr("answers here")));
  EXPECT_THAT(read_file(page), Not(HasSubstr("answers here")));
  let_lead(run, "fast");
  EXPECT_THAT(said(), HasSubstr("slow answers here and scores 0.000"));
  EXPECT_THAT(read_file(page), HasSubstr("slow answers here and scores 0.000"));
  EXPECT_THAT(said({"--learner", "slow"}), Not(HasSubstr("answers here"))) << "it was asked for";
}

}  // namespace
}  // namespace ilora::testing
