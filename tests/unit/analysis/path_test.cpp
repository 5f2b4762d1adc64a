// Paths as numbers: where the points lie, barriers, best points and their uncertainty.
#include "analysis/path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/analysis/reference.h"

namespace ilora {
namespace {

using testing::analysis_reference;
using ::testing::Contains;
using ::testing::ElementsAre;

TEST(PathAlphas, HaveTheEndsWhateverTheirNumber) {
  for (const int64_t count : {4, 5, 11, 20, 21, 100}) {
    for (const double from : {-0.25, -0.01, -3.0}) {
      const auto alphas = path_alphas(count, from, 1.25);
      ASSERT_EQ(alphas.size(), static_cast<size_t>(count));
      EXPECT_DOUBLE_EQ(alphas.front(), from);
      EXPECT_DOUBLE_EQ(alphas.back(), 1.25);
      EXPECT_THAT(alphas, Contains(0.0));
      EXPECT_THAT(alphas, Contains(1.0));
      for (size_t i = 1; i < alphas.size(); ++i) EXPECT_LT(alphas[i - 1], alphas[i]);
    }
  }
  EXPECT_THAT(path_alphas(5, 0, 1), ElementsAre(0, 0.25, 0.5, 0.75, 1));
  EXPECT_THAT(path_alphas(2, 0, 1), ElementsAre(0, 1));
}

TEST(PathAlphas, ARangeWithoutTheEndsIsRefused) {
  EXPECT_THROW(path_alphas(5, 0.1, 1), Error);
  EXPECT_THROW(path_alphas(5, 0, 0.9), Error);
  EXPECT_THROW(path_alphas(1, 0, 1), Error);
  EXPECT_THROW(path_alphas(3, -1, 2), Error);
}

TEST(Barrier, IsTheRiseAboveTheChordBetweenTheEnds) {
  const Json json = analysis_reference("barrier");
  auto alphas = json.at("alpha").get<std::vector<double>>();
  auto losses = json.at("loss").get<std::vector<double>>();
  // The reference interpolates the ends' losses; here they are points of the path.
  for (const double end : {0.0, 1.0}) {
    alphas.push_back(end);
    const auto at = std::lower_bound(alphas.begin(), alphas.end() - 1, end) - alphas.begin();
    const auto i = static_cast<size_t>(at);
    const double share = (end - alphas[i - 1]) / (alphas[i] - alphas[i - 1]);
    losses.push_back(losses[i - 1] + share * (losses[i] - losses[i - 1]));
    alphas.resize(losses.size());
    alphas.back() = end;
    std::vector<std::pair<double, double>> sorted;
    for (size_t k = 0; k < alphas.size(); ++k) sorted.emplace_back(alphas[k], losses[k]);
    std::sort(sorted.begin(), sorted.end());
    for (size_t k = 0; k < sorted.size(); ++k) std::tie(alphas[k], losses[k]) = sorted[k];
  }
  EXPECT_NEAR(barrier_height(alphas, losses), json.at("barrier").get<double>(), 1e-12);
}

TEST(Barrier, OfAValleyIsZeroAndWhatLiesOutsideDoesNotCount) {
  EXPECT_EQ(barrier_height({-1, 0, 0.5, 1, 2}, {9, 1, 0.5, 2, 9}), 0);
  EXPECT_NEAR(barrier_height({0, 0.25, 1}, {1, 2, 3}), 0.5, 1e-12);
}

// A path of two tasks of four rows; a score of a row is 0 or 1.
Path example() {
  Path path;
  const auto point = [&](double alpha, std::vector<double> first, std::vector<double> second) {
    PathPoint& p = path.emplace_back();
    p.alpha = alpha;
    for (const auto& rows : {first, second}) {
      TaskValue& value = p.tasks.emplace_back();
      value.row_scores = rows;
      for (const double x : rows) value.score += x / static_cast<double>(rows.size());
      value.loss = 1 - value.score;
    }
  };
  point(-0.5, {1, 1, 1, 1}, {1, 1, 1, 1});  // outside: never the best
  point(0, {1, 1, 1, 1}, {0, 0, 0, 0});
  point(0.5, {1, 1, 1, 0}, {1, 1, 0, 1});
  point(1, {0, 0, 1, 0}, {1, 1, 1, 1});
  return path;
}

TEST(BestPoint, OfEachGroup) {
  const Path path = example();
  EXPECT_EQ(best_point(path, {0}), 1U);
  EXPECT_EQ(best_point(path, {1}), 3U);
  EXPECT_EQ(best_point(path, {0, 1}), 2U);
  EXPECT_DOUBLE_EQ(mean_score(path[2], {0, 1}), 0.75);
}

TEST(BestPoint, OfEqualScoresTheLowerLossDecides) {
  Path path = example();
  path[2].tasks[0] = path[1].tasks[0];
  path[2].tasks[0].loss -= 0.1;
  EXPECT_EQ(best_point(path, {0}), 2U);
}

TEST(Gain, IsOverTheBetterEndAndItsIntervalComesFromPairedRows) {
  const Path path = example();
  const Gain gain = gain_over_ends(path, {0, 1}, 2, 1);
  EXPECT_DOUBLE_EQ(gain.difference, 0.75 - 0.625);  // the better end is 1 with (0.25 + 1) / 2
  EXPECT_LE(gain.low, gain.difference);
  EXPECT_GE(gain.high, gain.difference);
  EXPECT_LT(gain.low, 0);  // eight rows prove nothing
  const Gain none = gain_over_ends(path, {0, 1}, 3, 1);
  EXPECT_EQ(none.difference, 0);
  EXPECT_EQ(none.low, 0);  // paired: an end against itself does not vary
  EXPECT_EQ(none.high, 0);
}

TEST(Gain, ItsIntervalIsThatOfTheMean) {
  // 400 rows, half of which gain 1: the mean is 0.5, its standard error 0.025.
  Path path = example();
  path.erase(path.begin());
  for (PathPoint& point : path) {
    point.tasks.resize(1);
    auto& rows = point.tasks[0].row_scores;
    rows.assign(400, 0.0);
    if (point.alpha == 0.5) std::fill(rows.begin(), rows.begin() + 200, 1.0);
    point.tasks[0].score = point.alpha == 0.5 ? 0.5 : 0;
  }
  const Gain gain = gain_over_ends(path, {0}, 1, 1);
  EXPECT_NEAR(gain.low, 0.5 - 1.96 * 0.025, 0.01);
  EXPECT_NEAR(gain.high, 0.5 + 1.96 * 0.025, 0.01);
}

}  // namespace
}  // namespace ilora
