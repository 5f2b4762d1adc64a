// Post-stratified weights of replayed rows, and the counts they come from.
#include "continual/answer_counts.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

Row answered(int32_t task, int32_t answer) {
  Row row;
  row.tokens = {1, answer};
  row.prompt_length = 1;
  row.task = task;
  return row;
}

std::vector<Row> rows_of(int32_t task, const std::vector<int32_t>& answers) {
  std::vector<Row> rows;
  for (const int32_t answer : answers) rows.push_back(answered(task, answer));
  return rows;
}

// Of task 0 six rows of answer 5 and two of 6; of task 1 one of each of two.
TaskAnswers shown() {
  TaskAnswers answers;
  for (const Row& row : rows_of(0, {5, 5, 5, 5, 5, 5, 6, 6})) answers.add(row);
  for (const Row& row : rows_of(1, {5, 7})) answers.add(row);
  return answers;
}

TEST(AnswerWeights, UndoTheMemorysSharesOfAnswers) {
  // The memory has of task 0 two rows of each answer: shares 1/2 for 3/4 and 1/4.
  std::vector<Row> memory = rows_of(0, {5, 5, 6, 6});
  for (const Row& row : rows_of(1, {5, 7})) memory.push_back(row);
  const std::vector<const Row*> draw = {&memory[0], &memory[2], &memory[3], &memory[4]};
  const std::vector<float> weights = shown().weights(draw, memory);
  // 1.5, 0.5 and 0.5 of task 0, whose mean is 2.5/3; task 1 has its shares.
  ASSERT_EQ(weights.size(), 4U);
  EXPECT_NEAR(weights[0], 1.8, 1e-6);
  EXPECT_NEAR(weights[1], 0.6, 1e-6);
  EXPECT_NEAR(weights[2], 0.6, 1e-6);
  EXPECT_NEAR(weights[3], 1.0, 1e-6);
}

TEST(AnswerWeights, OneRowDoesNotStandForMoreThanThree) {
  TaskAnswers answers;
  for (int i = 0; i < 99; ++i) answers.add(answered(0, 5));
  answers.add(answered(0, 6));
  const std::vector<Row> memory = rows_of(0, {5, 6, 6, 6, 6, 6, 6, 6, 6, 6});
  const std::vector<float> weights = answers.weights(row_pointers({memory[0], memory[1]}), memory);
  // 9.9 and 1/90 without the bounds.
  EXPECT_NEAR(weights[0] / weights[1], 9.0, 1e-5);
}

TEST(AnswerWeights, ATaskOfManyAnswersIsOneStratum) {
  TaskAnswers answers;
  std::vector<Row> memory;
  for (int32_t answer = 0; answer < 21; ++answer) {
    for (int32_t i = 0; i <= answer; ++i) answers.add(answered(0, answer));
    memory.push_back(answered(0, answer));
  }
  EXPECT_EQ(answers.weights(row_pointers(memory), memory), std::vector<float>(21, 1.0F));
}

}  // namespace
}  // namespace ilora
