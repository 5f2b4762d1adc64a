// Which point of the path is chosen. How it is measured needs a model:
// tests/props/slow_learner_options_test.cpp.
#include "continual/path_point.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

using Points = std::vector<std::vector<std::vector<double>>>;  // [point][task][row]

TEST(ChoosePoint, TakesTheLeastWhereRowsAgree) {
  const Points losses = {{{2, 3, 4}}, {{1, 2, 3}}, {{1.5, 2.5, 3.5}}};
  EXPECT_EQ(choose_point(losses), 1U);
}

TEST(ChoosePoint, TakesTheFirstThatRowsCannotTellFromTheLeast) {
  // The mean of the second is less by 0.1; the rows' differences -2, 1.7 and 0 have a standard error
  // of 1.07.
  EXPECT_EQ(choose_point(Points{{{2, 3, 4}}, {{0, 4.7, 4}}}), 0U);
  // As far, and every row says so.
  EXPECT_EQ(choose_point(Points{{{2, 3, 4}}, {{1.9, 2.9, 3.9}}}), 1U);
}

TEST(ChoosePoint, WeighsTasksAlikeWhateverTheirRows) {
  // Task 0 with four rows loses 1 a row by going on, task 1 with two wins 3.
  const Points losses = {{{1, 1, 1, 1}, {5, 5}}, {{2, 2, 2, 2}, {2, 2}}};
  EXPECT_EQ(choose_point(losses), 1U);
  // The standard error is that of a mean of means: 1/2 sqrt(var_0/4 + var_1/2), with differences
  // (2,-2,2,-2), of variance 16/3, and (0.9, 1.1), of 0.02: 0.58 against a mean of 0.5.
  const Points unsure = {{{2, 2, 2, 2}, {2, 2}}, {{0, 4, 0, 4}, {1.1, 0.9}}};
  EXPECT_EQ(choose_point(unsure), 0U);
}

TEST(ChoosePoint, EqualPointsAreTheFirst) {
  EXPECT_EQ(choose_point(Points{{{1, 2}}, {{1, 2}}, {{1, 2}}}), 0U);
}

}  // namespace
}  // namespace ilora
