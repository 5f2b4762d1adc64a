// mtl: multi-task learning, all tasks together. Not continual: what a method may hope for that sees
// every task at any time, after as many optimiser steps as the sequence takes.
#include "methods/registry.h"

namespace ilora {
namespace {

class MultiTaskLearning : public Method {
 public:
  TaskStream stream(TaskStream tasks) override {
    StreamTask all;
    all.name = "all tasks";
    for (const StreamTask& task : tasks) {
      all.rows.insert(all.rows.end(), task.rows.begin(), task.rows.end());
      all.steps += task.steps;
      all.learned = task.learned;
    }
    return {all};
  }
};

}  // namespace

std::unique_ptr<Method> make_mtl() {
  return std::make_unique<MultiTaskLearning>();
}

}  // namespace ilora
