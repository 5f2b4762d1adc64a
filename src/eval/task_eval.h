// A task's rows as they are evaluated, and how they are scored.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/task.h"

namespace ilora {

enum class Measure : uint8_t {
  kChoice,           // the option of the highest likelihood is the answer's
  kChoiceGenerated,  // the option that the generated text begins with is the answer's
  kExact,            // the generated text is the answer, white space at the ends aside
  kNumber,           // the first number in the generated text equals the answer's
};
const char* measure_name(Measure measure);
Measure parse_measure(const std::string& name);  // throws Error(kUsage) naming what is allowed

struct TaskEval {
  std::string name;
  std::vector<Example> rows;
  Measure measure = Measure::kChoice;
  std::vector<std::string> options;  // answers to choose from; for the two choice measures
};

// The rows of a split with their options (the distinct answers of the task's splits, sorted).
// `measure` "auto": choice where there are at most 20 different answers, number where every answer
// is one, exact otherwise.
TaskEval make_task_eval(const TaskText& task, Split split, const std::string& measure);

// The first number in a text, with sign, decimal point and thousands commas; empty where there is
// none.
std::string first_number(const std::string& text);
// A text without white space (Unicode's too) at its ends.
std::string trimmed(const std::string& text);

}  // namespace ilora
