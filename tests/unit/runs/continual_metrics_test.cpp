// Every expected value is worked out by hand from the formulas in the header.
#include "runs/continual_metrics.h"

#include <gtest/gtest.h>

#include <array>

namespace ilora {
namespace {

// Three tasks. Task 1 peaks after task 2, so forgetting and backward transfer differ by more than
// their sign.
ScoreMatrix three_tasks() {
  return {{0.20, 0.30, 0.10}, {0.80, 0.40, 0.20}, {0.90, 0.70, 0.15}, {0.50, 0.60, 0.95}};
}

void expect_near(Score actual, double expected) {
  ASSERT_TRUE(actual.has_value());
  EXPECT_NEAR(*actual, expected, 1e-12);
}

TEST(ContinualMetrics, FollowTheFormulas) {
  const std::array<Score, 3> references = {0.85, 0.80, 0.90};
  const auto m = continual_metrics(three_tasks(), references);
  expect_near(m.average_accuracy, 2.05 / 3);  // .50 .60 .95
  expect_near(m.average_incremental_accuracy,
              (0.8 + 0.8 + 2.05 / 3) / 3);  // after 1, 2 and 3 tasks
  expect_near(m.backward_transfer, -0.20);  // ((.50-.80) + (.60-.70)) / 2
  expect_near(m.forward_transfer, 0.075);   // ((.40-.30) + (.15-.10)) / 2
  expect_near(m.forgetting, 0.25);          // ((.90-.50) + (.70-.60)) / 2
  expect_near(m.intransigence, 0.10 / 3);   // .05 + .10 - .05
}

TEST(ContinualMetrics, ForgettingLooksAtRowsBeforeATaskButNotAtTheUntrainedRow) {
  // Task 2 was best after task 1 (l < j counts); row 0 is better still and does not count.
  const auto m =
      continual_metrics({{0.9, 0.9, 0.9}, {0.5, 0.8, 0.1}, {0.5, 0.6, 0.1}, {0.5, 0.4, 0.1}});
  expect_near(m.forgetting, 0.20);  // ((.5-.5) + (.8-.4)) / 2
  // What only improves has been forgotten by less than nothing.
  expect_near(continual_metrics({{0.0, 0.0}, {0.5, 0.2}, {0.7, 0.9}}).forgetting, -0.20);
}

TEST(ContinualMetrics, OneTaskHasNoTransferAndNoForgetting) {
  const auto m = continual_metrics({{0.2}, {0.8}});
  expect_near(m.average_accuracy, 0.8);
  expect_near(m.average_incremental_accuracy, 0.8);
  EXPECT_FALSE(m.backward_transfer);
  EXPECT_FALSE(m.forward_transfer);
  EXPECT_FALSE(m.forgetting);
  EXPECT_FALSE(m.intransigence);
}

TEST(ContinualMetrics, AMissingEntryEmptiesExactlyTheMeasuresThatNeedIt) {
  ScoreMatrix scores = three_tasks();
  scores[1][2] =
      std::nullopt;  // a_{1,3} stands in no formula: task 3 is the last one, FWT reads a_{2,3}
  auto m = continual_metrics(scores);
  EXPECT_TRUE(m.average_accuracy && m.average_incremental_accuracy && m.backward_transfer &&
              m.forward_transfer && m.forgetting);

  scores[0][1] = std::nullopt;  // b_2: forward transfer alone
  m = continual_metrics(scores);
  EXPECT_FALSE(m.forward_transfer);
  EXPECT_TRUE(m.average_accuracy && m.backward_transfer && m.forgetting);

  scores = three_tasks();
  scores[1][1] = std::nullopt;  // a_{1,2}: forward transfer, and the maximum of forgetting
  m = continual_metrics(scores);
  EXPECT_FALSE(m.forward_transfer || m.forgetting);
  EXPECT_TRUE(m.average_accuracy && m.backward_transfer && m.average_incremental_accuracy);
}

TEST(ContinualMetrics, OnlyTheLastRowGivesAverageAccuracyAlone) {  // joint training
  const Score none;
  const auto m = continual_metrics({{0.1, 0.2}, {none, none}, {0.6, 0.8}});
  expect_near(m.average_accuracy, 0.7);
  EXPECT_FALSE(m.average_incremental_accuracy || m.backward_transfer || m.forward_transfer ||
               m.forgetting);
}

TEST(ContinualMetrics, AnInterruptedRunHasOnlyWhatItsRowsAllow) {
  ScoreMatrix scores = three_tasks();
  scores.pop_back();
  const auto m = continual_metrics(scores);
  EXPECT_FALSE(m.average_accuracy || m.average_incremental_accuracy || m.backward_transfer ||
               m.forgetting);
  expect_near(m.forward_transfer, 0.075);  // reads rows 0 to T-1, and they are there
}

TEST(ContinualMetrics, AMissingReferenceLeavesIntransigenceEmpty) {
  const std::array<Score, 3> references = {0.85, std::nullopt, 0.90};
  EXPECT_FALSE(continual_metrics(three_tasks(), references).intransigence);
}

TEST(ContinualMetrics, OfSomeTasksAlone) {
  const ScoreMatrix scores = three_tasks();
  const std::vector<size_t> first = {0}, ends = {0, 2}, last = {2}, all = {0, 1, 2};
  expect_near(average_accuracy(scores, ends), (0.50 + 0.95) / 2);
  expect_near(backward_transfer(scores, first), -0.30);  // .50 - .80
  expect_near(backward_transfer(scores, ends), -0.30);   // the last has nothing after it
  EXPECT_FALSE(backward_transfer(scores, last));
  EXPECT_FALSE(average_accuracy(scores, {}));
  EXPECT_FALSE(average_accuracy({}, first));
  EXPECT_EQ(average_accuracy(scores, all), continual_metrics(scores).average_accuracy);
  EXPECT_EQ(backward_transfer(scores, all), continual_metrics(scores).backward_transfer);
}

TEST(ContinualMetrics, EmptyMatrix) {
  EXPECT_FALSE(continual_metrics({}).average_accuracy);
}

}  // namespace
}  // namespace ilora
