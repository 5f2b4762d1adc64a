// one: a fresh adapter for each task, and each task answered by its own. It forgets nothing and
// shares nothing: what a method may hope for on a task, where the task of a row is known.
//
// Learners: "fast" trains; "start" holds the values that every task begins with, "task-K" those
// that task K ended with.
#include "methods/registry.h"

namespace ilora {
namespace {

constexpr const char* kStart = "start";

std::string learner_of(int64_t task) {
  return fmt::format("task-{}", task + 1);
}

class OneAdapterPerTask : public Method {
 public:
  void begin_task(Run& run) override {
    if (run.find(kStart) == nullptr) run.add_copy_of_fast(kStart);
    // Not where a run resumes inside the task.
    if (run.position.task_step == 0)
      run.kernels().convert(run.fast().values(), run.find(kStart)->values());
  }
  Footprint footprint(const ModelConfig&, int64_t tasks) const override {
    return {.vectors = 1 + tasks};  // the start and each task's own
  }
  void end_task(Run& run) override { run.add_copy_of_fast(learner_of(run.position.task)); }
  // The others are parts of the answer, not learners to compare.
  std::vector<std::string> scored(const Run&) const override { return {"fast"}; }
  bool answers_by_task() const override { return true; }
  // A task that is not learned yet: by what it will start from.
  Answerer answer_with(Run& run, const std::string& learner, int64_t task) override {
    for (const std::string& name : {learner_of(task), std::string(kStart)}) {
      if (run.find(name) != nullptr) return Method::answer_with(run, name, task);
    }
    return Method::answer_with(run, learner, task);  // before any training
  }
};

}  // namespace

std::unique_ptr<Method> make_one() {
  return std::make_unique<OneAdapterPerTask>();
}

}  // namespace ilora
