// A task's rows as they are evaluated, and how they are scored.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/task.h"
#include "eval/measures/measure.h"

namespace ilora {

struct TaskEval {
  std::string name;
  std::vector<Example> rows;
  const Measure* measure = nullptr;  // of the table
  std::vector<std::string> options;  // answers to choose from, for measures that need them
};

// The rows of a split with their options (the distinct answers of the task's splits, sorted).
// `measure` "auto": choice where there are at most 20 different answers, number where every answer
// is one, exact otherwise.
TaskEval make_task_eval(const TaskText& task, Split split, const std::string& measure);

}  // namespace ilora
