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
  Split split = Split::kTest;
  std::vector<Example> rows;
  const Measure* measure = nullptr;  // of the table
  std::vector<std::string> options;  // answers to choose from, for measures that need them
  int64_t max_new_tokens = kNewTokens;

  // Row i for messages: "row 3 of NAME/test.json".
  std::string where(size_t i) const;
  // How many of `options`, from the first, row i offers: all, or the letters its prompt lists.
  std::ptrdiff_t offered(size_t i) const;
  // The option that answers row i: its answer, or its answer's letter.
  std::string right_option(size_t i) const;
};

// The rows of a split and how they are scored.
//
// `measure` "auto": the task's own. "generated": the one that reads its answers out of generated
// text. For a task whose definition says neither: choice (choice-generated) where it lists options
// or has at most 20 different answers, number where every answer is one, likelihood (rouge-l) for
// conversations, exact otherwise. Of a conversation the last answer is scored.
//
// The options are those of the task's definition, else the different answers of its splits, sorted.
// Throws Error(kData) naming the row whose answer is not among them, and where there is nothing to
// choose from.
TaskEval make_task_eval(const TaskText& task, Split split, const std::string& measure);

// The same without looking at the rows' answers, for `ilora data check`.
TaskEval plan_task_eval(const TaskText& task, Split split, const std::string& measure);

// What is wrong with a row for a measure ("the answer 'X' is not among the options A, B"); empty:
// nothing.
std::string misfit(const TaskEval& task, const Example& row);

}  // namespace ilora
