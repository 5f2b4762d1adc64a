// READ SECOND. A continual-learning method: one file in methods/ with a few small hooks. The
// trainer owns the loop (train/trainer.cpp): plan -> losses and gradient -> edit_gradient -> clip
// -> optimiser -> after_update.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/options.h"
#include "continual/run.h"
#include "continual/state.h"

namespace ilora {

// A task as the trainer meets it.
struct StreamTask {
  std::string name;
  std::vector<const Row*> rows;
  int64_t steps = 0;    // optimiser steps: train.epochs passes over the rows
  int64_t learned = 0;  // tasks of the run that are learned after it: its row of the score matrix
};
using TaskStream = std::vector<StreamTask>;

// An adapter under the name that it is saved by.
struct Exported {
  std::string name;
  const Adapter* adapter = nullptr;
};

// What a method needs memory for beyond one learner and its step, at most.
struct Footprint {
  int64_t vectors = 0;         // as long as the fast learner's: learners, gradients, anchors
  std::vector<Loss> losses{};  // of a step beside cross-entropy
  int64_t soft_prompts = 0;    // positions in front of a row
  int64_t segments = 0;        // of a pass of its own, each filled up to kGemmRows rows
};

class Method {
 public:
  virtual ~Method() = default;

  // The method's options, under the section of its name ("er.memory_size"): help, range, default,
  // source.
  virtual void add_options(OptionList& options) { static_cast<void>(options); }

  // Refuses options that cannot work, with this model or with each other, before anything is
  // computed or written. Throws Error(kUsage) naming the option.
  virtual void check(const ModelConfig& config) const { static_cast<void>(config); }
  // Reshapes what is learned when: zero-shot takes the steps away, joint training merges the tasks.
  virtual TaskStream stream(TaskStream tasks) { return tasks; }
  // What the first learner is made of; `options` are the run's. A method with a prefix of its own
  // says so here.
  virtual LoraOptions adapter(LoraOptions options) const { return options; }
  // What the run's learning rate is multiplied by: soft prompts want a higher one than LoRA.
  virtual double rate_factor() const { return 1.0; }
  // In a run of `tasks` tasks, for the memory plan (train/memory_plan.h).
  virtual Footprint footprint(const ModelConfig& config, int64_t tasks) const {
    static_cast<void>(config);
    static_cast<void>(tasks);
    return {};
  }
  // Before the first step of a task. Called again when a run resumes inside the task, after its
  // state was restored: it must not undo that state.
  virtual void begin_task(Run& run) { static_cast<void>(run); }
  // The step's segments and losses. Default: the current rows under the fast learner,
  // cross-entropy.
  virtual Pass plan(Run& run, const std::vector<const Row*>& current);
  // Once per step, on the whole gradient, before clipping.
  virtual void edit_gradient(Run& run) { static_cast<void>(run); }
  // What the second moment of AdamW takes in this step in the gradient's place, after
  // edit_gradient(): flat; null: the gradient. It is clipped by the gradient's factor.
  virtual Tensor second_moment_gradient() const { return {}; }
  // Once per step, after the optimiser: interpolation, memory. `current` are the rows that plan()
  // was given.
  virtual void after_update(Run& run, const std::vector<const Row*>& current) {
    static_cast<void>(run);
    static_cast<void>(current);
  }
  virtual void end_task(Run& run) { static_cast<void>(run); }
  // The learner that answers in the end: one of scored().
  virtual std::string deployed() const { return "fast"; }
  // The learners that are evaluated after each task: by default all that the run has.
  virtual std::vector<std::string> scored(const Run& run) const;
  // How a scored learner answers rows of task `task` of the stream (from 0; it may not be learned
  // yet). Default: with that learner's adapter, its soft prompts in front (model/prompt_pool.h).
  virtual Answerer answer_with(Run& run, const std::string& learner, int64_t task);
  // Whether each task is answered, ever after, with what was saved right after it: rows come with
  // their task.
  virtual bool answers_by_task() const { return false; }
  // Whether no learner answers, but each task's most frequent training answer does, whatever the
  // prompt (eval/constant_answer.h).
  virtual bool answers_constantly() const { return false; }
  // The adapters that are saved after each task for other programs. Default: the scored
  // learners. They are valid until the next hook.
  virtual std::vector<Exported> exported(Run& run);
  // What the method keeps between steps besides learners (which the trainer saves): one list for
  // saving and loading.
  virtual void visit(StateVisitor& visitor) { static_cast<void>(visitor); }
};

// Rows under the fast learner with cross-entropy of weight 1, as the run takes it: what most plans
// begin with.
Segment trained_segment(Run& run, const std::vector<const Row*>& rows);

}  // namespace ilora
