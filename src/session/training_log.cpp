#include "session/training_log.h"

#include <fmt/ranges.h>

namespace ilora {

void TrainingLog::task_begun(const TaskBegun& task) {
  progress_.reset();
  if (task.step == task.last_step) return;
  progress_.emplace(log_, fmt::format("task {}/{} {}", task.number, task.tasks, task.name),
                    task.last_step, "step", task.step);
}

void TrainingLog::step_done(const StepDone& step) {
  progress_->advance(
      1, fmt::format("loss {:.4f}  {:.0f} tokens/s", step.loss, step.tokens_per_second));
}

void TrainingLog::task_done() {
  if (progress_) progress_->finish();
  progress_.reset();
}

void TrainingLog::scoring(const std::vector<std::string>& learners, const std::string& task) {
  log_.status(fmt::format("evaluating {} on {}", fmt::join(learners, ", "), task));
}

}  // namespace ilora
