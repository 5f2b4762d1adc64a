// Steps of a method inside its second task, when replay, penalties and projections are at work.
// Called by step.cpp and methods.cpp.
#pragma once

#include <functional>
#include <vector>

#include "continual/method.h"
#include "train/step.h"
#include "train/workbench.h"

namespace ilora {

// An adapter as a run would begin with one.
Adapter initial_adapter(const ModelConfig& config, const LoraOptions& options);

class SecondTask {
 public:
  // Takes one step of a first task of the rows `earlier`, at rate 0 so that the adapter stays as it
  // is, and ends that task: memories and importance are made. Everything outlives it.
  SecondTask(const Recipe& recipe, Method& method, Workbench& bench, Adapter first,
             const std::vector<const Row*>& earlier, const std::vector<const Row*>& current);
  SecondTask(const SecondTask&) = delete;

  // What a step on the current rows runs.
  Pass plan() { return method_.plan(run_, current_); }
  // One such step. `look` sees its pass while the memory still has all of its rows.
  using Look = std::function<void(const Pass& pass)>;
  void step(double learning_rate, const Look& look) { step_on(current_, learning_rate, look); }
  void add_current(const std::vector<const Row*>& rows);
  Run& run() { return run_; }

 private:
  void step_on(const std::vector<const Row*>& rows, double learning_rate, const Look& look);

  Method& method_;
  std::vector<const Row*> current_;
  Comm comm_;
  Run run_;
  Optimizer optimizer_;
};

}  // namespace ilora
