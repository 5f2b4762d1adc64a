// Who watches a run while it is trained: what it is told, and whether the run may go on. The trainer
// and its scoring know neither a terminal nor a signal; session/training_log.h is what the program
// and the library watch with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ilora {

// A task whose steps begin, or go on where a checkpoint was.
struct TaskBegun {
  std::string name;
  int64_t number = 0;               // in the stream, from 1
  int64_t tasks = 0;                // of the stream
  int64_t step = 0, last_step = 0;  // of the task: taken already, and in all
};

// An optimiser step.
struct StepDone {
  int64_t step = 0;  // of the run, from 1
  double loss = 0;
  double tokens_per_second = 0;
};

// Called in the thread that trains, between its computations.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;

  virtual void task_begun(const TaskBegun& task) { static_cast<void>(task); }
  virtual void step_done(const StepDone& step) { static_cast<void>(step); }
  virtual void task_done() {}  // its steps are taken; the method's end_task and scoring follow
  // Learners are scored on a task, and then were.
  virtual void scoring(const std::vector<std::string>& learners, const std::string& task) {
    static_cast<void>(learners);
    static_cast<void>(task);
  }
  virtual void scored() {}
  // For people: what is worth knowing, and what is worth worrying about.
  virtual void message(const std::string& text) { static_cast<void>(text); }
  virtual void warning(const std::string& text) { static_cast<void>(text); }
  // Asked after each step and each task that is scored. True: the run writes its checkpoint and
  // ends with Error(kInterrupted).
  virtual bool stop_requested() { return false; }
};

}  // namespace ilora
