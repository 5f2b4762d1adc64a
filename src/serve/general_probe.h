// Questions that any model of language answers from what it read before it was taught anything: what a
// server measures so that a few corrections do not cost it all else. Written for this program.
#pragma once

#include "eval/task_eval.h"

namespace ilora {

// Scored by how likely each answer is.
TaskEval general_probe();

}  // namespace ilora
