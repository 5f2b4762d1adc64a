#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ilora {

double scheduled_rate(const Recipe& recipe, int64_t step, int64_t steps) {
  const double warm = std::ceil(recipe.warm_up * static_cast<double>(steps));
  const auto s = static_cast<double>(step);
  // The first step already has a rate: step 0 of w takes 1/w of the peak.
  if (s < warm) return recipe.learning_rate * (s + 1.0) / warm;
  const double progress = (s - warm) / std::max(1.0, static_cast<double>(steps) - warm);
  if (recipe.schedule == "linear") return recipe.learning_rate * (1.0 - progress);
  if (recipe.schedule == "cosine")
    return recipe.learning_rate * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  return recipe.learning_rate;
}

}  // namespace ilora
