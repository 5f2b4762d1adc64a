// What a run is made from, as it is recorded (runs/made_from.h). Called by trainer.cpp.
#pragma once

#include <vector>

#include "base/options.h"
#include "data/task.h"
#include "model/weights.h"
#include "runs/made_from.h"
#include "train/recipe.h"

namespace ilora {

HashedTask hash_task(const TaskText& task);  // of the splits that have rows
// Reads the model's files for their hashes, of large ones a part (base/hash.h): 94 MiB take
// 0.02 s once they are in memory.
std::vector<HashedFile> hash_model(const ModelFiles& model);
MadeFrom describe_sources(const Recipe& recipe, const OptionList& options, const ModelFiles& model,
                          const std::vector<TaskText>& tasks);

}  // namespace ilora
