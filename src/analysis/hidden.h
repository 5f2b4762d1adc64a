// Hidden states of a task's rows under an adapter, and how alike those of two adapters are.
//
// Called by `ilora analyze cka`.
#pragma once

#include <Eigen/Core>
#include <span>
#include <vector>

#include "eval/task_eval.h"
#include "model/engine.h"

namespace ilora {

// Per layer l = 0..L, hidden[l] at the last token of each prompt, where the answer is predicted:
// (rows,D). hidden[L] is after the final norm.
using HiddenStates = std::vector<Eigen::MatrixXf>;
HiddenStates hidden_states(Engine& engine, std::span<const std::vector<int32_t>> prompts,
                           const Uses& uses);

// Linear CKA per layer, from unbiased HSIC over minibatches of at most 32 rows (the last ones are
// joined to the batch before where they are less than four). Needs four rows.
std::vector<double> layer_cka(const HiddenStates& x, const HiddenStates& y);

}  // namespace ilora
