// The system turn under which a run learned its rows: whoever asks without it asks something else.
// Callers: `ilora chat` and `ilora generate`.
#pragma once

#include <string>

#include "runs/run_folder.h"
#include "train/recipe.h"

namespace ilora {

// What to say where no system turn is given: how the training rows of the last learned task begin.
// Empty where fewer than half of them have such a turn, prompts are not in a chat template, or the
// task's train.json is gone or above 16 MiB, which would take long to read for a hint.
std::string warning_of_missing_system(const RunFolder& folder, const Recipe& recipe);

}  // namespace ilora
