// A run is trained and shown, for who prepares one: train.cpp, forget.cpp.
#pragma once

#include <string>
#include <vector>

#include "session/prepare.h"

namespace ilora {

struct TrainArguments {
  std::string config, resume, continue_run, memory;
  std::vector<std::string> tasks, settings;
  bool json = false, show_options = false, profile = false, accept_changes = false;
};

// Trains what was prepared to its end, writes its report and prints its scores. Throws what training does.
void run_training(const PreparedRun& prepared, const TrainArguments& a);

}  // namespace ilora
