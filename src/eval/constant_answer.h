// The control of every score: one answer to all rows, the one that most of a task's training rows
// have. A method that is not above it has not shown that it read the prompts.
#pragma once

#include <string>
#include <vector>

#include "eval/evaluator.h"
#include "eval/task_eval.h"

namespace ilora {

// Of training rows, as the task's measure sees answers: an option where it chooses, else the whole
// text. Among answers that are as frequent, the first in the rows' order. `train` is not empty.
std::string most_frequent_answer(const TaskEval& task, const std::vector<Example>& train);

// What `answer` scores on the task's rows; no losses.
TaskScore score_constant(const TaskEval& task, const std::string& answer);

}  // namespace ilora
