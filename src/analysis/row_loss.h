// The mean cross-entropy of rows under one adapter, and its gradient: what curves are trained on
// (curve.h) and whose Hessian is measured (sharpness.h).
#pragma once

#include <span>

#include "model/engine.h"

namespace ilora {

// Adds the gradient to `gradient` (flat, F32, of the adapter's layout) and returns the loss,
// without dropout; `loss` as the run that trained the adapter took it. Soft prompts stand in front of every row. Throws Error(kUnsupported) for a pool
// of prompts: which of them a row takes is a choice, with no gradient.
double add_row_gradient(Engine& engine, const Adapter& adapter, std::span<const Row* const> rows,
                        const LossOptions& loss, Tensor gradient);

}  // namespace ilora
