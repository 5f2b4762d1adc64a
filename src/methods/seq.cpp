// seq: one adapter, trained on the tasks in order with nothing to prevent forgetting. Every hook at
// its default.
#include "methods/registry.h"

namespace ilora {

std::unique_ptr<Method> make_seq() {
  return std::make_unique<Method>();
}

}  // namespace ilora
