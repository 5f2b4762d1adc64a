// Soft prompts (Lester et al. 2021, "The power of scale for parameter-efficient prompt tuning"):
// rows of an adapter that stand in the place of embeddings. Which ones, a pass says by ids (row.h).
#pragma once

#include "model/block.h"

namespace ilora {

// hidden (N,D) T is hidden[0]: the rows of soft prompts become the adapters' values, exactly.
void soft_prompts_forward(const PassContext& ctx, Tensor hidden);

// dhidden (N',D) T is the gradient of hidden[0]: it is added to those soft prompts whose use is
// trained, one pack row after another, so that a prompt that many sequences share is summed in one
// order.
void soft_prompts_backward(const PassContext& ctx, Tensor dhidden);

}  // namespace ilora
