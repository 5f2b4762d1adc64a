// The norm of a model's blocks and of its end: RMSNorm or LayerNorm, as its configuration says.
#pragma once

#include "kernels/kernels.h"
#include "model/config.h"
#include "model/weights.h"

namespace ilora {

// y (n,D) T|G = the norm of x (n,D) T; rstd (n) T is kept for backward.
inline void norm_forward(const Kernels& k, const ModelConfig& config, Tensor y, Tensor rstd,
                         Tensor x, const NormWeights& norm) {
  if (config.layer_norm) {
    k.layernorm(y, rstd, x, norm.weight, norm.bias, config.norm_epsilon);
  } else {
    k.rmsnorm(y, rstd, x, norm.weight, config.norm_epsilon);
  }
}

// dx (n,D) T += the gradient through it; dy (n,D) T.
inline void norm_backward(const Kernels& k, const ModelConfig& config, Tensor dx, Tensor dy,
                          Tensor x, const NormWeights& norm, Tensor rstd) {
  (config.layer_norm ? k.layernorm_backward : k.rmsnorm_backward)(dx, dy, x, norm.weight, rstd);
}

}  // namespace ilora
