// Whether the log of a finished run is all there: each of its lines has a hash of its own, so that a missing end
// shows in none of them. Called by `ilora report`.
#pragma once

#include <string>

#include "runs/run_folder.h"

namespace ilora {

// What is missing of metrics.jsonl, in words; empty: nothing, or the run is not finished or has no log. Throws what
// the readers of its files do.
std::string missing_steps(const RunFolder& folder);

}  // namespace ilora
