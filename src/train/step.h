// One optimiser step in two halves, from its rows to the adapter's new values. The trainer, the
// benchmarks and the tests take the same step; what they do around it is theirs.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "continual/method.h"
#include "train/optimizer.h"

namespace ilora {

struct Step {
  std::vector<const Row*> rows;  // current ones
  Pass pass;                     // once the step is taken, a memory may have let go of its rows
  PassReport report;
  int64_t tokens = 0;  // with gradient
};

// How errors name what they speak of.
struct StepNames {
  std::string task{};                        // the one that is learned
  std::span<const std::string> row_tasks{};  // by Row::task
};

// run.gradient() = the gradient of a step on `rows`: what the method plans, computed, summed over
// processes and edited. `before_edit` sees it as the pass left it.
using StepVisitor = std::function<void(const Step& step)>;
Step compute_gradient(Run& run, Method& method, const std::vector<const Row*>& rows,
                      const StepVisitor& before_edit = {});

// Clips run.gradient(), takes AdamW's step with it, moves the position on and lets the method
// follow. Returns the gradient's norm before clipping. Throws Error(kNumeric) naming step, task and
// rows, and changes nothing, where the loss or the norm is not finite.
double apply_update(Run& run, Method& method, Optimizer& optimizer, const Step& step,
                    double learning_rate, const StepNames& names = {});

}  // namespace ilora
