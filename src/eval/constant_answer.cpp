#include "eval/constant_answer.h"

#include <map>

#include "base/error.h"

namespace ilora {

std::string most_frequent_answer(const TaskEval& task, const std::vector<Example>& train) {
  ILORA_CHECK(!train.empty(), "{} has no training rows", task.name);
  TaskEval trained = task;
  trained.rows = train;
  const bool chooses = task.measure->score == nullptr;
  std::vector<std::string> answers;
  std::map<std::string, int64_t> count;
  for (size_t i = 0; i < train.size(); ++i) {
    answers.push_back(chooses ? trained.right_option(i) : train[i].answer);
    ++count[answers.back()];
  }
  std::string best = answers.front();
  for (const std::string& answer : answers) {
    if (count[answer] > count[best]) best = answer;
  }
  return best;
}

TaskScore score_constant(const TaskEval& task, const std::string& answer) {
  TaskScore result;
  for (size_t i = 0; i < task.rows.size(); ++i) {
    RowScore& row = result.rows.emplace_back(RowScore{answer});
    if (task.measure->score == nullptr) {
      row.score = answer == task.right_option(i) ? 1.0 : 0.0;
    } else {
      row.score = task.measure->score({answer, task.rows[i], task.options});
    }
  }
  result.score = task_score(task, result.rows);
  return result;
}

}  // namespace ilora
