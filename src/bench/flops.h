// What a pass costs in matrix products with frozen weights.
#pragma once

#include "model/config.h"
#include "model/pass.h"

namespace ilora {

// FLOPs of the base GEMMs of a pass, as far as they are computed: forward, dX down to the lowest
// trained layer, head at labelled positions.
double gemm_flops(const Pass& pass, const ModelConfig& c);

}  // namespace ilora
