// A method's hooks in the trainer's order, with the learners' values in the open: for tests of what
// a method does to a step.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/run_fixture.h"
#include "train/optimizer.h"

namespace ilora::testing {

// The tiny tasks, four rows a step, in the order of their files.
class MethodLoop {
 public:
  explicit MethodLoop(const std::string& name, const Settings& more = {})
      : tiny(tiny_settings("unused", name, more)),
        method(tiny.configuration.method()),
        run(tiny.engine(), first(), 1, tiny.recipe().loss()),
        optimizer(tiny.engine().kernels(), tiny.recipe(), run.fast().layout().size()) {
    for (size_t t = 0; t < tiny.tasks.size(); ++t) rows.push_back(tiny.rows(t));
    run.position.tasks = static_cast<int64_t>(rows.size());
  }

  void begin_task(int64_t task, int64_t steps) {
    run.position.task = task;
    run.position.task_step = 0;
    run.position.task_steps = steps;
    task_rows_ = pointers(rows[static_cast<size_t>(task)]);
    run.task_rows = task_rows_;
    if (tiny.recipe().reset_optimizer) optimizer.reset();
    method.begin_task(run);
  }
  PassReport step() {
    const std::vector<Row>& all = rows[static_cast<size_t>(run.position.task)];
    const auto current =
        pointers(all, static_cast<size_t>(run.position.task_step) * 4 % all.size(), 4);
    run.position.epoch = run.position.task_step / 4;
    run.clear_reported();
    run.kernels().fill(run.gradient(), 0.0);
    pass = method.plan(run, current);
    const PassReport report = run.run_step(pass);
    run.step_losses = report;
    plain_gradient = values_of(run.gradient());
    method.edit_gradient(run);
    edited_gradient = values_of(run.gradient());
    optimizer.clip(run.gradient());
    optimizer.step(run.fast().values(), run.gradient(), 0.02);
    ++run.position.step;
    ++run.position.task_step;
    method.after_update(run, current);
    return report;
  }
  // A whole task.
  void learn(int64_t task, int64_t steps) {
    begin_task(task, steps);
    for (int64_t i = 0; i < steps; ++i) step();
    method.end_task(run);
  }
  std::vector<float> fast() { return values_of(run.fast().values()); }
  std::vector<float> slow() { return values_of(run.find("slow")->values()); }

  TinyRun tiny;
  Method& method;
  Run run;
  Optimizer optimizer;
  std::vector<std::vector<Row>> rows;
  Pass pass;                                           // of the last step; its rows may be gone
  std::vector<float> plain_gradient, edited_gradient;  // likewise

 private:
  Adapter first() {
    method.check(tiny.model());
    Adapter adapter(tiny.model(), method.adapter(tiny.recipe().lora));
    adapter.initialise(1, 0);
    return adapter;
  }

  std::vector<const Row*> task_rows_;
};

}  // namespace ilora::testing
