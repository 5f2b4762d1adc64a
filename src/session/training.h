// A prepared run is trained to its end. Called by `ilora train` and the library's Session.
#pragma once

#include "session/prepare.h"
#include "train/trainer.h"

namespace ilora {

// Restores and runs `trainer`, with the run's folder locked: throws Error(kUsage) where another
// process works in it. Throws what the trainer throws. A finished run that goes on to learn more
// and fails in a way that would only repeat (a row that does not fit, a loss that is not finite) is
// put back to what it was; one that is stopped, or whose disk is full, is to be resumed.
void train(const PreparedRun& prepared, Trainer& trainer);

}  // namespace ilora
