// What one user works with on a loaded model: an engine, whose caches and arena are its own, and the
// encoder that makes its rows.
#pragma once

#include <optional>

#include "data/encoder.h"
#include "kernels/profile.h"
#include "model/engine.h"
#include "train/loaded_model.h"
#include "train/recipe.h"

namespace ilora {

struct Workbench {
  // `base` outlives it, and may serve other workbenches in other threads. Of the recipe count what
  // a step holds at once, how text becomes rows, and whether operations are timed. Throws
  // Error(kFormat) where tokenizer and weights do not belong together.
  Workbench(const LoadedModel& base, const Recipe& recipe);
  Workbench(const Workbench&) = delete;

  const LoadedModel& model;
  std::optional<ProfiledKernels> profile;  // where the recipe asks for times: the engine's table
  Engine engine;
  const Encoder encoder;
};

}  // namespace ilora
