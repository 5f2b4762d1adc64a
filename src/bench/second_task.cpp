#include "bench/second_task.h"

#include <utility>

namespace ilora {

Adapter initial_adapter(const ModelConfig& config, const LoraOptions& options) {
  Adapter adapter(config, options);
  adapter.initialise(1, 0);
  return adapter;
}

SecondTask::SecondTask(const Recipe& recipe, Method& method, Workbench& bench, Adapter first,
                       const std::vector<const Row*>& earlier,
                       const std::vector<const Row*>& current)
    : method_(method),
      current_(current),
      run_(bench.engine, std::move(first), 1, recipe.loss(), comm_),
      optimizer_(bench.engine.kernels(), recipe, run_.fast().layout().size()) {
  method_.check(run_.config());
  run_.position.tasks = 2;
  run_.position.task_steps = 100;
  run_.task_rows = earlier;
  method_.begin_task(run_);
  step_on(earlier, 0.0, [](const Pass&) {});
  method_.end_task(run_);
  optimizer_.begin_task(true, 0);
  run_.position.task = 1;
  run_.position.task_step = 0;
  run_.position.epoch = 1;  // a memory takes rows in a task's first epoch alone
  run_.task_rows = current_;
  method_.begin_task(run_);
  run_.take_extra_tokens();
}

void SecondTask::add_current(const std::vector<const Row*>& rows) {
  current_.insert(current_.end(), rows.begin(), rows.end());
  run_.task_rows = current_;
}

void SecondTask::step_on(const std::vector<const Row*>& rows, double learning_rate,
                         const Look& look) {
  const Step step = compute_gradient(run_, method_, rows);
  look(step.pass);
  apply_update(run_, method_, optimizer_, step, learning_rate);
}

}  // namespace ilora
