#include "runs/score_matrix.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

const Score kNone;

TEST(ScoreMatrix, AMeanNeedsAllOfItsScores) {
  const std::vector<Score> all = {0.25, 0.75}, some = {0.25, kNone};
  EXPECT_EQ(mean_score(all), 0.5);
  EXPECT_FALSE(mean_score(some));
  EXPECT_FALSE(mean_score({}));
}

TEST(ScoreMatrix, RowsThatAreMissingWereNotEvaluated) {
  const ScoreMatrix scores = {{0.25, 0.5}, {0.75, kNone}};
  EXPECT_EQ(score_at(scores, 1, 0), 0.75);
  EXPECT_FALSE(score_at(scores, 1, 1));
  EXPECT_FALSE(score_at(scores, 2, 0));
}

TEST(ScoreMatrix, TheLastRowIsTheLastWithAScore) {
  const ScoreMatrix scores = {{0.25, kNone}, {kNone, 0.5}, {kNone, kNone}};
  EXPECT_EQ(last_row(scores), &scores[1]);
  EXPECT_EQ(last_row(empty_matrix(2)), nullptr);
  EXPECT_EQ(empty_matrix(2).size(), 3U);
}

TEST(ScoreMatrix, PartsByMeasureMakeTheWholeAgain) {
  const ScoreMatrix scores = {{0.25, 0.5, 0.125}, {kNone, 0.75, 1.0}};
  const std::vector<std::string> measures = {"choice", "number", "choice"};
  const ScoreMatrix choice = part_of(scores, measures, "choice"),
                    number = part_of(scores, measures, "number");
  EXPECT_EQ(choice, (ScoreMatrix{{0.25, kNone, 0.125}, {kNone, kNone, 1.0}}));
  EXPECT_EQ(number, (ScoreMatrix{{kNone, 0.5, kNone}, {kNone, 0.75, kNone}}));
  ScoreMatrix whole;
  add_part(whole, choice);
  add_part(whole, number);
  EXPECT_EQ(whole, scores);
}

}  // namespace
}  // namespace ilora
