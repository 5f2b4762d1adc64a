// Several processes training one adapter: the six operations that the trainer needs. One process
// for now.
#pragma once

#include "tensor/tensor.h"

namespace ilora {

class Comm {
 public:
  virtual ~Comm() = default;
  virtual int rank() const { return 0; }
  virtual int size() const { return 1; }
  virtual void sum(Tensor values) const { static_cast<void>(values); }  // in place, over ranks
  virtual double sum(double value) const { return value; }
  virtual void broadcast(Tensor values) const { static_cast<void>(values); }  // from rank 0
  virtual void barrier() const {}
};

}  // namespace ilora
