// Whether a new state may be deployed: what it forgets of the tasks before, measured on their rows
// under the old state and the new one. Called by school.cpp.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/evaluator.h"
#include "model/adapter.h"
#include "serve/journal.h"

namespace ilora {

struct BudgetOptions {
  double budget = 0.01;          // of a task's score, 0..1, that a new state may lose
  double general_budget = 0.05;  // of the general probe's, against the base model
  int64_t probe_rows = 64;       // of each earlier task
  // Refuse also what the rows cannot vouch for: a loss beyond the budget within the 95 % interval.
  bool strict = false;
  int64_t resamples = 2000;
};

// Rows that a new state is held to.
struct BudgetProbe {
  std::string name;
  std::function<std::vector<RowScore>(const Answerer&)> score;  // the rows' scores under a state
  double budget = 0;
  // Whether the rows stand for others, as held-out ones do: then a loss counts where the bootstrap is
  // 95 % sure (one-sided) that it is one. What was taught itself is to be kept, row by row.
  bool sample = false;
  // What a state is compared with; none: the state that is deployed.
  std::optional<std::vector<RowScore>> reference{};
};
// A task's; the evaluator outlives the probe.
BudgetProbe probe_with(Evaluator& evaluator, TaskEval task, double budget, bool sample);

// Of a task's rows at most `most`, evenly picked.
TaskEval probe_of(TaskEval task, int64_t most);

// How a task fares under `after` against `before`, by the rows' scores.
TaskChange change_of(const std::string& task, const std::vector<RowScore>& before,
                     const std::vector<RowScore>& after, const BudgetOptions& options);
// Whether it loses more than its budget.
bool exceeds(const TaskChange& change, const BudgetProbe& probe, const BudgetOptions& options);

struct Verdict {
  bool deploys = false;
  double share = 1;  // of the way from the old state to the new one
  std::vector<TaskChange> earlier;
  std::optional<TaskChange> own;
  std::string reason;
};

// Judges the way from `before` to `after`: all of it, else the longest of three quarters, a half and a
// quarter that keeps to the budgets and has half of what all of it gains on the new task. `between`
// receives the state to deploy; the engine is the evaluator's.
Verdict judge(Evaluator& evaluator, Engine& engine, const std::vector<BudgetProbe>& probes,
              const TaskEval& own, const Adapter& before, const Adapter& after, Adapter& between,
              const BudgetOptions& options);

}  // namespace ilora
