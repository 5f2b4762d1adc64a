// Several processes training one adapter: what one needs to know of the others. One process for now,
// which this class is by itself; a second implementation overrides all of it.
//
// Every process makes the same calls in the same order, each with rows of its own. What is summed:
// denominators of losses, the terms of a pass, gradients, and what methods measure on rows
// (continual/run.h); results are the same in every process. What stays a process's own: its rows,
// their losses one by one, and its memory of them.
#pragma once

#include "tensor/tensor.h"

namespace ilora {

class Comm {
 public:
  virtual ~Comm() = default;
  virtual int rank() const { return 0; }
  virtual int size() const { return 1; }
  // In place, over all ranks, in an order of its own choice that is the same every time. F32 or F64.
  virtual void sum(Tensor values) const { static_cast<void>(values); }
  double sum(double value) const {
    sum(Tensor(&value, DType::kF64, {1}));
    return value;
  }
};

}  // namespace ilora
