// constant: no model at all. Each task's most frequent training answer, to every row: what a score must
// exceed before it tells of learning.
#include "methods/registry.h"

namespace ilora {
namespace {

class Constant : public Method {
 public:
  TaskStream stream(TaskStream tasks) override {
    for (StreamTask& task : tasks) task.steps = 0;
    return tasks;
  }
  bool answers_constantly() const override { return true; }
};

}  // namespace

std::unique_ptr<Method> make_constant() {
  return std::make_unique<Constant>();
}

}  // namespace ilora
