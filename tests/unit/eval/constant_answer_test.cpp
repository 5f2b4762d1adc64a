// The control of every score: one answer to all rows.
#include "eval/constant_answer.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

TaskText task_with(const std::vector<std::string>& train, const std::vector<std::string>& test) {
  TaskText task{"task", {}, {}, {}};
  for (const std::string& answer : train)
    task.train.push_back({"Which?\nA. x\nB. y\nC. z", answer});
  for (const std::string& answer : test) task.test.push_back({"Which?\nA. x\nB. y\nC. z", answer});
  return task;
}

TaskEval evaluated(const TaskText& task, const std::string& measure) {
  return make_task_eval(task, Split::kTest, measure);
}

TEST(MostFrequentAnswer, IsTheOneThatMostTrainingRowsHave) {
  const TaskText task = task_with({"no", "yes", "yes"}, {"no", "no", "yes"});
  EXPECT_EQ(most_frequent_answer(evaluated(task, "choice"), task.train), "yes");
}

TEST(MostFrequentAnswer, IsTheFirstOfEquallyFrequentOnes) {
  const TaskText task = task_with({"no", "yes", "yes", "no"}, {"no", "yes"});
  EXPECT_EQ(most_frequent_answer(evaluated(task, "choice"), task.train), "no");
}

TEST(MostFrequentAnswer, IsALetterWhereThePromptListsTheOptions) {
  // No whole answer comes twice; the letter B does.
  const TaskText task = task_with({"A. x", "B. y", "B. why", "C. z"}, {"B. other", "A. x"});
  const TaskEval scored = evaluated(task, "choice-letter");
  EXPECT_EQ(most_frequent_answer(scored, task.train), "B");
  EXPECT_EQ(score_constant(scored, "B").score, 0.5);
}

TEST(ScoreConstant, CountsRowsThatHaveTheAnswer) {
  const TaskText task = task_with({"yes"}, {"no", "yes", "yes", "no", "yes"});
  const TaskScore score = score_constant(evaluated(task, "choice"), "yes");
  EXPECT_DOUBLE_EQ(score.score, 0.6);
  ASSERT_EQ(score.rows.size(), 5U);
  EXPECT_EQ(score.rows[0].answer, "yes");
  EXPECT_EQ(score.rows[0].score, 0.0);
  EXPECT_EQ(score.rows[1].score, 1.0);
}

TEST(ScoreConstant, UsesAMeasureOfTexts) {
  const TaskText task = task_with({"4"}, {"4", "4.0", "5"});
  EXPECT_DOUBLE_EQ(score_constant(evaluated(task, "number"), "4").score, 2.0 / 3);
}

TEST(ScoreConstant, UsesAMeasureOfTheWholeTask) {
  const TaskText task = task_with({"a b c d e"}, {"a b c d e", "a b c d e"});
  EXPECT_NEAR(score_constant(evaluated(task, "bleu"), "a b c d e").score, 1.0, 1e-9);
}

}  // namespace
}  // namespace ilora
