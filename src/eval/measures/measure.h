// The table of measures: how an answer becomes a score between 0 and 1. A new measure is one line
// in measure.cpp (and, for an idea of its own, a file beside it). Called by the evaluator.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/task.h"

namespace ilora {

// A generated answer and the row that asked for it.
struct Answered {
  const std::string& given;
  const Example& row;                       // prompt and expected answer
  const std::vector<std::string>& options;  // the task's; empty where it has none
};

struct Measure {
  const char* name;
  const char* summary;  // one line
  const char* source;   // what it agrees with
  // The score of a generated answer, 0..1; null: nothing is generated, the likeliest of the task's
  // options answers.
  double (*score)(const Answered& answer);
  bool needs_options = false;
  // The task's score where that is not the mean of its rows' scores; null: it is.
  double (*of_task)(std::span<const Answered> answers) = nullptr;
  // The options are the letters that a row's prompt lists, and the answer begins with its letter.
  bool by_letter = false;
  // Nothing is generated and nothing chosen: the score is exp(-loss) of the row's answer.
  bool by_loss = false;
  // Whether the likeliest of options answers.
  bool chooses() const { return score == nullptr && !by_loss; }
};

std::span<const Measure> measures();
const Measure& find_measure(const std::string& name);  // throws Error(kUsage) naming what there is

}  // namespace ilora
