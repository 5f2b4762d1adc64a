// How a server learns one task: as `ilora train --continue` does, then the new state is weighed by what
// it forgets (budget.h), and the run may be put back to what it was before. Used by school.cpp, in the
// thread that learns.
//
// RUN/serve/before holds what the run was before the task that RUN/serve/before-task names: a server that
// was stopped in between finds there how far it was.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "serve/budget.h"
#include "serve/right_of_way.h"
#include "serve/taught_rows.h"
#include "session/configuration.h"
#include "session/prepare.h"
#include "train/loaded_model.h"
#include "train/observer.h"
#include "train/workbench.h"

namespace ilora {

struct LearningOptions {
  std::vector<std::string> settings{};  // of a run that the first task begins
  // Optimiser steps that a task takes at least: a few rows are shown more often than train.epochs says.
  int64_t least_steps = 64;
  BudgetOptions budget{};
  // What nothing learned may forget besides earlier tasks: what general_probe.h asks, folders of tasks.
  bool general = true;
  std::vector<std::string> probes{};
};

class TaskLearning {
 public:
  // Everything outlives it. `interrupt` is asked between blocks: true ends the work at once, with
  // Error(kInterrupted); the run then goes on from its last checkpoint. Throws Error(kUsage) for a
  // setting that is none, what read_task does for a probe.
  TaskLearning(const RunFolder& folder, const LoadedModel& model, RightOfWay& way,
               LearningOptions options, std::function<bool()> interrupt);

  // Of the run as it is, or as its first task begins it; its model is the one in memory.
  std::unique_ptr<Configuration> configuration() const;
  // Names of the tasks that the run knows.
  std::vector<std::string> known_tasks() const;

  // Trains the task, from where a stopped server was. What was unfinished of another comes first. Throws
  // what training does; Error(kInterrupted) where the observer stops it.
  void train(const TaughtTask& task, TrainingObserver& observer);

  struct Weighed {
    Verdict verdict;
    Adapter adapter;    // to deploy
    std::string model;  // that it is of
  };
  // Weighs the state that was learned against what is deployed (a PEFT folder; empty: nothing yet).
  Weighed weigh(const TaughtTask& task, const std::filesystem::path& deployed);

  // What the run itself deploys: the adapter of its last task, one that is being taught apart; empty
  // where there is none.
  std::filesystem::path own_adapter() const;

  // The task whose copies of the run are kept; "" for none.
  std::string kept_before() const;
  void drop_before() const;
  // The run is as before the task, whose rows are laid aside in RUN/serve/refused. May be done twice.
  void put_back(const std::string& task) const;

 private:
  void keep_before(const TaughtTask& task, TrainingObserver& observer);
  void run(PreparedRun prepared, TrainingObserver& observer);
  Workbench& bench(const Recipe& recipe);
  std::string epochs_for(const Recipe& recipe, const TaughtTask& task) const;
  std::vector<BudgetProbe> budget_probes(const Recipe& recipe, const std::vector<TaskText>& texts,
                                         Evaluator& evaluator);
  std::filesystem::path serve(const char* name) const { return folder_.path() / "serve" / name; }

  const RunFolder& folder_;
  const LoadedModel& model_;
  RightOfWay& way_;
  const LearningOptions options_;
  const std::function<bool()> interrupt_;
  std::vector<TaskEval> probes_;                            // the user's
  std::optional<std::vector<RowScore>> general_reference_;  // the base model's
  std::unique_ptr<Workbench> bench_;
};

}  // namespace ilora
