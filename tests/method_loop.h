// A method's hooks in the trainer's order, with the learners' values in the open: for tests of what
// a method does to a step.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/run_fixture.h"
#include "train/step.h"

namespace ilora::testing {

// The tiny tasks, four rows a step, in the order of their files.
class MethodLoop {
 public:
  // Of the rows of each step and task, a process takes every size-th, from rank on. `comm` outlives
  // the loop.
  explicit MethodLoop(const std::string& name, const Settings& more = {},
                      const Comm* comm = nullptr)
      : tiny(tiny_settings("unused", name, more)),
        method(tiny.configuration.method()),
        run(tiny.engine(), first(), 1, tiny.recipe().loss(), comm != nullptr ? *comm : tiny.comm),
        optimizer(tiny.engine().kernels(), tiny.recipe(), run.fast().layout().size()) {
    for (size_t t = 0; t < tiny.tasks.size(); ++t) rows.push_back(tiny.rows(t));
    run.position.tasks = static_cast<int64_t>(rows.size());
  }

  void begin_task(int64_t task, int64_t steps) {
    run.position.task = task;
    run.position.task_step = 0;
    run.position.task_steps = steps;
    task_rows_ = share(pointers(rows[static_cast<size_t>(task)]));
    run.task_rows = task_rows_;
    optimizer.begin_task(false, 0);
    method.begin_task(run);
  }
  PassReport step() {
    const std::vector<Row>& all = rows[static_cast<size_t>(run.position.task)];
    const auto current =
        share(pointers(all, static_cast<size_t>(run.position.task_step) * 4 % all.size(), 4));
    run.position.epoch = run.position.task_step / 4;
    const Step step = compute_gradient(
        run, method, current, [&](const Step&) { plain_gradient = values_of(run.gradient()); });
    pass = step.pass;
    if (watch) watch(step);
    edited_gradient = values_of(run.gradient());
    apply_update(run, method, optimizer, step, 0.02);
    return step.report;
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
  std::function<void(const Step& step)> watch;         // sees a step before its update
  Pass pass;                                           // of the last step; its rows may be gone
  std::vector<float> plain_gradient, edited_gradient;  // likewise

 private:
  std::vector<const Row*> share(const std::vector<const Row*>& all) const {
    const auto rank = static_cast<size_t>(run.comm().rank());
    const auto size = static_cast<size_t>(run.comm().size());
    std::vector<const Row*> own;
    for (size_t i = rank; i < all.size(); i += size) own.push_back(all[i]);
    return own;
  }
  Adapter first() {
    method.check(tiny.model());
    Adapter adapter(tiny.model(), method.adapter(tiny.recipe().lora));
    adapter.initialise(1, 0);
    return adapter;
  }

  std::vector<const Row*> task_rows_;
};

}  // namespace ilora::testing
