// Tells a log what a run does: lines of text, and the progress of its steps. `ilora train` and the
// library's Session watch their runs with it, each with a log and a way of stopping of its own.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/progress.h"
#include "train/observer.h"

namespace ilora {

class TrainingLog : public TrainingObserver {
 public:
  // The log outlives it.
  TrainingLog(Log& log, std::function<bool()> stop) : log_(log), stop_(std::move(stop)) {}

  void task_begun(const TaskBegun& task) override;
  void step_done(const StepDone& step) override;
  void task_done() override;
  void scoring(const std::vector<std::string>& learners, const std::string& task) override;
  void scored() override { log_.status({}); }
  void message(const std::string& text) override { log_.info("{}", text); }
  void warning(const std::string& text) override { log_.warn("{}", text); }
  bool stop_requested() override { return stop_(); }

 private:
  Log& log_;
  std::function<bool()> stop_;
  std::optional<Progress> progress_;  // of the present task's steps
};

}  // namespace ilora
