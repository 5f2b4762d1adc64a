// Two tables run side by side, for finding the operation at fault when a fast table misbehaves and
// for testing one: `engine.kernels: check`.
#pragma once

#include "kernels/kernels.h"

namespace ilora {

// A table whose operations run `fast` and `reference` on the same inputs and throw Error(kNumeric)
// naming operation, shapes and the first element that differs by more than the operation's
// tolerance (operations.h); the result is `fast`'s. Its operations speak of this object.
class CheckedKernels {
 public:
  CheckedKernels(const Kernels& fast, const Kernels& reference);
  CheckedKernels(const CheckedKernels&) = delete;
  CheckedKernels& operator=(const CheckedKernels&) = delete;

  const Kernels& table() const { return table_; }

 private:
  template <auto kMember>
  struct Checked;

  Kernels fast_, reference_, table_;
};

}  // namespace ilora
