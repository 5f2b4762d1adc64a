// Whether a new state may be deployed: what it forgets of the tasks before, measured on their rows
// under the old state and the new one. Called by school.cpp.
#pragma once

#include <string>
#include <vector>

#include "eval/evaluator.h"
#include "model/adapter.h"
#include "serve/journal.h"

namespace ilora {

struct BudgetOptions {
  double budget = 0.01;     // of a task's score, 0..1, that a new state may lose
  int64_t probe_rows = 64;  // of each earlier task
  // A task loses more than the budget where the 95 % interval of its loss lies beyond it; strict: where
  // the interval does not lie within it, so that few rows let nothing pass that they cannot vouch for.
  bool strict = false;
  int64_t resamples = 2000;
};

// Of a task's rows at most `most`, evenly picked.
TaskEval probe_of(TaskEval task, int64_t most);

// How a task fares under `after` against `before`, by the rows' scores.
TaskChange change_of(const std::string& task, const std::vector<RowScore>& before,
                     const std::vector<RowScore>& after, const BudgetOptions& options);
// Whether it loses more than the budget.
bool exceeds(const TaskChange& change, const BudgetOptions& options);

struct Verdict {
  bool deploys = false;
  double share = 1;  // of the way from the old state to the new one
  std::vector<TaskChange> earlier;
  std::optional<TaskChange> own;
  std::string reason;
};

// Judges the way from `before` to `after`: all of it, else the longest of three quarters, a half and a
// quarter that keeps to the budget and still answers the new task better than `before`. `between`
// receives the state to deploy; the engine is the evaluator's.
Verdict judge(Evaluator& evaluator, Engine& engine, const std::vector<TaskEval>& earlier,
              const TaskEval& own, const Adapter& before, const Adapter& after, Adapter& between,
              const BudgetOptions& options);

}  // namespace ilora
