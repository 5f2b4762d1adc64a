#include "eval/task_eval.h"

#include <set>

#include "base/error.h"
#include "eval/measures/extract.h"

namespace ilora {
namespace {

constexpr size_t kMostOptions = 20;

}  // namespace

TaskEval make_task_eval(const TaskText& task, Split split, const std::string& measure) {
  TaskEval eval;
  eval.name = task.name;
  eval.rows = task.split(split);
  std::set<std::string> answers;
  bool numbers = true;
  for (const auto* rows : {&task.train, &task.eval, &task.test}) {
    for (const Example& row : *rows) {
      answers.insert(row.answer);
      numbers = numbers && first_number(row.answer) == trimmed(row.answer) && !row.answer.empty();
    }
  }
  if (measure != "auto") {
    eval.measure = &find_measure(measure);
  } else if (answers.size() <= kMostOptions) {
    eval.measure = &find_measure("choice");
  } else {
    eval.measure = &find_measure(numbers ? "number" : "exact");
  }
  if (eval.measure->needs_options) {
    eval.options.assign(answers.begin(), answers.end());
    if (eval.options.size() < 2) {
      throw Error(
          ErrorKind::kData,
          fmt::format("[eval] task {} has one answer only: nothing to choose from", task.name),
          "Set its measure to exact, or add rows with other answers.");
    }
  }
  return eval;
}

}  // namespace ilora
