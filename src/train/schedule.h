// The learning rate over a task.
#pragma once

#include <cstdint>

#include "train/recipe.h"

namespace ilora {

// At a task's step (from 0 of `steps`): linear warm-up, then constant, linear to 0 or cosine to 0.
double scheduled_rate(const Recipe& recipe, int64_t step, int64_t steps);

}  // namespace ilora
