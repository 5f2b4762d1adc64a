// The score matrices of a run and what results.json says of them.
#include "runs/score_book.h"

#include <gtest/gtest.h>

#include "runs/schema.h"

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

Results told(const ScoreBook& book, const std::string& deployed,
             const std::vector<Score>& references = {}) {
  Results results;
  book.tell(results, deployed, references);
  return results;
}

TEST(ScoreBook, GivesMatrixAndMetrics) {
  const Results results = told(filled(), "fast");
  EXPECT_EQ(results.tasks, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(results.measures, (std::vector<std::string>{"choice", "number"}));
  EXPECT_EQ(results.scores, (ScoreMatrix{{0.1, 0.2}, {0.9, 0.3}, {0.5, 0.8}}));
  const Score none;
  EXPECT_EQ(results.scores_by.at("fast").at("choice"),
            (ScoreMatrix{{0.1, none}, {0.9, none}, {0.5, none}}));
  EXPECT_EQ(results.scores_by.at("fast").at("number"),
            (ScoreMatrix{{none, 0.2}, {none, 0.3}, {none, 0.8}}));
  const ContinualMetrics& m = results.metrics;
  EXPECT_NEAR(m.average_accuracy.value(), 0.65, 1e-12);
  EXPECT_NEAR(m.average_incremental_accuracy.value(), (0.9 + 0.65) / 2, 1e-12);
  EXPECT_NEAR(m.backward_transfer.value(), -0.4, 1e-12);
  EXPECT_NEAR(m.forward_transfer.value(), 0.1, 1e-12);
  EXPECT_NEAR(m.forgetting.value(), 0.4, 1e-12);
  EXPECT_FALSE(m.intransigence);
  EXPECT_NEAR(told(filled(), "fast", {1.0, 0.9}).metrics.intransigence.value(), (0.1 + 0.1) / 2,
              1e-12);
}

TEST(ScoreBook, UnknownScoresAreNone) {
  ScoreBook book;
  book.set_tasks({"a", "b"}, {"choice", "choice"});
  book.set("fast", 0, 0, 0.5);
  const Results results = told(book, "fast");
  EXPECT_FALSE(results.scores[2][1]);
  EXPECT_FALSE(results.metrics.average_accuracy);
  EXPECT_TRUE(told(book, "slow").scores.empty()) << "no such learner yet";
  EXPECT_FALSE(book.get("slow", 0, 0));
}

TEST(ScoreBook, KeepsProbesByNameAndMeasure) {
  ScoreBook book = filled();
  book.set_probe("words", "perplexity", 0, 20);
  book.set_probe("words", "perplexity", 2, 21);
  book.set_probe("quiz", "accuracy", 0, 0.5);
  book.repeat_row(0, 1);
  const std::vector<ProbeScores> probes = told(book, "fast").probes;
  ASSERT_EQ(probes.size(), 2U);
  EXPECT_EQ(probes[0].name, "words");
  EXPECT_EQ(probes[0].values, (std::vector<Score>{20, 20, 21}));
  EXPECT_EQ(probes[1].measure, "accuracy");
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
  ScoreBook book = filled();
  book.begin_learner("slow", "fast");
  book.set_probe("words", "perplexity", 1, 20);
  const Json json = json_of(book);
  const auto read = JsonReader::parse<ScoreBook>(json, {"state", {}});
  EXPECT_EQ(json_of(read), json);
  EXPECT_EQ(read.matrix("slow"), book.matrix("slow"));
  EXPECT_EQ(read.measures(), book.measures());
}

}  // namespace
}  // namespace ilora
