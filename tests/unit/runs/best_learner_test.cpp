// Whether another learner is ahead of the deployed one, and that it is said.
#include "runs/best_learner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "runs/results.h"
#include "runs/schema.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kTasks = {"a", "b", "c"};

// `right` of ten rows, the first ones.
ScoredRows scored(const std::string& task, const std::string& learner, int64_t after, int right) {
  ScoredRows rows{task, learner, after, "test", std::vector<double>(10)};
  for (int i = 0; i < right; ++i) rows.scores[static_cast<size_t>(i)] = 1;
  return rows;
}

TEST(LearnerAhead, IsOneThatIsBetterByMoreThanTwoStandardErrors) {
  const std::vector<ScoredRows> rows = {scored("a", "slow", 2, 4), scored("a", "fast", 2, 9),
                                        scored("b", "slow", 2, 5), scored("b", "fast", 2, 9),
                                        scored("c", "slow", 2, 9), scored("c", "fast", 2, 0)};
  const auto behind = learner_ahead(rows, kTasks, "slow");
  ASSERT_TRUE(behind.has_value());
  EXPECT_EQ(behind->better, "fast");
  EXPECT_EQ(behind->tasks, 2U) << "c is not learned yet";
  EXPECT_NEAR(behind->deployed_score, 0.45, 1e-12);
  EXPECT_NEAR(behind->better_score, 0.9, 1e-12);
  EXPECT_THAT(behind->text(), HasSubstr("--learner fast"));
  EXPECT_THAT(behind->text(), HasSubstr("ilora.half_life"));
  EXPECT_FALSE(learner_ahead(rows, kTasks, "fast").has_value());
  EXPECT_FALSE(learner_ahead(rows, kTasks, "other").has_value());
}

TEST(LearnerAhead, IsNoneWhereRowsCannotTell) {
  // One row of ten more in each of two tasks: 0.1, and a standard error of 0.071.
  EXPECT_FALSE(learner_ahead(std::vector{scored("a", "slow", 2, 6), scored("a", "fast", 2, 7),
                                         scored("b", "slow", 2, 6), scored("b", "fast", 2, 7)},
                             kTasks, "slow")
                   .has_value());
}

TEST(LearnerAhead, LooksAtTheLatestEvaluationAlone) {
  const std::vector<ScoredRows> rows = {scored("a", "slow", 1, 0), scored("a", "fast", 1, 10),
                                        scored("a", "slow", 2, 8), scored("a", "fast", 2, 8),
                                        scored("b", "slow", 2, 8), scored("b", "fast", 2, 8)};
  EXPECT_FALSE(learner_ahead(rows, kTasks, "slow").has_value());
  EXPECT_TRUE(learner_ahead(std::span(rows).first(2), kTasks, "slow").has_value());
}

TEST(WarningOfLearner, SaysWhyItIsNotKnown) {
  const TemporaryFolder folder;
  const RunFolder run(folder / "run");
  std::filesystem::create_directories(folder / "run");
  EXPECT_THAT(warning_of_learner(run), HasSubstr("not known"));
  Results results;
  results.tasks = kTasks;
  results.deployed = "slow";
  results.scores = ScoreMatrix(4, std::vector<Score>(3));
  write_run_file(run, results);
  EXPECT_EQ(warning_of_learner(run), "") << "a run without rows";
  std::ofstream(run.path(ScoredRows::kFile)) << run_line(scored("a", "slow", 1, 1)) << "\n"
                                             << run_line(scored("a", "fast", 1, 9)) << "\n";
  EXPECT_THAT(warning_of_learner(run), HasSubstr("fast scores 0.900"));
}

}  // namespace
}  // namespace ilora
