// A frozen linear map with LoRA: one base GEMM for all rows, thin ones per segment and adapter.
//
//   y = m (x W^T + sum over adapters of s * drop(x) A^T B^T) + b    (Hu et al. 2021, eq. 3; rows
//   are tokens; b where the model has one; m is the block's residual multiplier in the maps that end
//   in the residual stream, else 1)
#pragma once

#include "model/block.h"

namespace ilora {

// y (N,out), T or G, = (accumulate: T only, +=) the map of x (N,in) G. In G other than T the sum is
// formed in T and rounded once.
void linear_forward(PassContext& ctx, int64_t l, Module module, Tensor y, Tensor x,
                    bool accumulate = false);

// dy (N',out) T|G is the gradient of the map's output, x (N',in) G its input. Adds the adapters'
// gradients, and, where dx (N',in) T is given, the gradient of the input: dx = or (accumulate) +=.
void linear_backward(PassContext& ctx, int64_t l, Module module, Tensor dx, Tensor dy, Tensor x,
                     bool accumulate);

// Whether some adapter of the pass trains `module` in layer l.
bool is_trained(const PassContext& ctx, int64_t l, Module module);

}  // namespace ilora
