// zero-shot: no training. The base model's scores, as the floor that other methods start from.
#include "methods/registry.h"

namespace ilora {
namespace {

class ZeroShot : public Method {
 public:
  TaskStream stream(TaskStream tasks) override {
    for (StreamTask& task : tasks) task.steps = 0;
    return tasks;
  }
};

}  // namespace

std::unique_ptr<Method> make_zero_shot() {
  return std::make_unique<ZeroShot>();
}

}  // namespace ilora
