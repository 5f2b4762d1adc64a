// The score matrices of a run and what results.json says of them.
#include "train/scores.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

ScoreBook filled() {
  ScoreBook book;
  book.set_tasks({"a", "b"}, {"choice", "number"});
  const double scores[3][2] = {{0.1, 0.2}, {0.9, 0.3}, {0.5, 0.8}};
  for (size_t k = 0; k < 3; ++k) {
    for (size_t j = 0; j < 2; ++j) book.set("fast", k, j, scores[k][j]);
  }
  return book;
}

TEST(ScoreBook, GivesMatrixAndMetrics) {
  const Json json = filled().results("fast", {});
  EXPECT_EQ(json.at("tasks"), Json({"a", "b"}));
  EXPECT_EQ(json.at("scores"), Json({{0.1, 0.2}, {0.9, 0.3}, {0.5, 0.8}}));
  EXPECT_EQ(json.at("scores_by").at("fast").at("choice"),
            Json({{0.1, nullptr}, {0.9, nullptr}, {0.5, nullptr}}));
  EXPECT_EQ(json.at("scores_by").at("fast").at("number"),
            Json({{nullptr, 0.2}, {nullptr, 0.3}, {nullptr, 0.8}}));
  const Json& m = json.at("metrics");
  EXPECT_NEAR(m.at("average_accuracy").get<double>(), 0.65, 1e-12);
  EXPECT_NEAR(m.at("average_incremental_accuracy").get<double>(), (0.9 + 0.65) / 2, 1e-12);
  EXPECT_NEAR(m.at("backward_transfer").get<double>(), -0.4, 1e-12);
  EXPECT_NEAR(m.at("forward_transfer").get<double>(), 0.1, 1e-12);
  EXPECT_NEAR(m.at("forgetting").get<double>(), 0.4, 1e-12);
  EXPECT_TRUE(m.at("intransigence").is_null());
  const Json with = filled().results("fast", {1.0, 0.9});
  EXPECT_NEAR(with.at("metrics").at("intransigence").get<double>(), (0.1 + 0.1) / 2, 1e-12);
}

TEST(ScoreBook, UnknownScoresAreNull) {
  ScoreBook book;
  book.set_tasks({"a", "b"}, {"choice", "choice"});
  book.set("fast", 0, 0, 0.5);
  const Json json = book.results("fast", {});
  EXPECT_TRUE(json.at("scores")[2][1].is_null());
  EXPECT_TRUE(json.at("metrics").at("average_accuracy").is_null());
  EXPECT_EQ(book.results("slow", {}).at("scores"), Json::array()) << "no such learner yet";
  EXPECT_FALSE(book.get("slow", 0, 0).has_value());
}

TEST(ScoreBook, MoreTasksKeepWhatIsThere) {
  ScoreBook book = filled();
  book.set_tasks({"a", "b", "c"}, {"choice", "number", "choice"});
  const auto matrix = book.matrix("fast");
  ASSERT_EQ(matrix.size(), 4U);
  for (const auto& row : matrix) ASSERT_EQ(row.size(), 3U);
  EXPECT_EQ(book.get("fast", 2, 1), 0.8);
  EXPECT_FALSE(book.get("fast", 0, 2).has_value());
  EXPECT_FALSE(book.get("fast", 3, 0).has_value());
}

TEST(ScoreBook, ALaterLearnerBeginsWithTheFirstOnesScores) {
  ScoreBook book = filled();
  book.begin_learner("slow", "fast");
  book.set("slow", 2, 0, 0.7);
  book.begin_learner("slow", "fast");  // a second time changes nothing
  EXPECT_EQ(book.get("slow", 2, 0), 0.7);
  EXPECT_EQ(book.get("slow", 0, 0), 0.1);
  EXPECT_EQ(book.get("fast", 2, 0), 0.5);
  book.repeat_row(1, 2);
  EXPECT_EQ(book.get("slow", 2, 0), 0.9);
}

TEST(ScoreBook, SurvivesJson) {
  ScoreBook book = filled(), read;
  book.begin_learner("slow", "fast");
  read.from_json(Json::parse(book.to_json().dump()));
  EXPECT_EQ(read.to_json(), book.to_json());
  EXPECT_EQ(read.matrix("slow"), book.matrix("slow"));
  EXPECT_EQ(read.measures(), book.measures());
}

}  // namespace
}  // namespace ilora
