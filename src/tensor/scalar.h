// Single elements of a tensor of the state type T, whatever T is: for figures that are read one by
// one, and for tests. Anything that loops over a tensor is an operation (kernels/kernels.h).
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace ilora {

// An element; the imaginary part is not 0 only where gradients are tested in complex numbers.
struct Scalar {
  double real = 0, imaginary = 0;
};

// Element i of x, F32, F64 or C128.
Scalar read_scalar(Tensor x, int64_t i);
void write_scalar(Tensor x, int64_t i, double value);

}  // namespace ilora
