// A run's chapters: it begins with some tasks, and learns more of them later, perhaps with other settings. RUN/chapters holds the
// configuration of each chapter but the last, which is config.yaml. Written by session/training.cpp, read by
// session/unlearn.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runs/run_folder.h"

namespace ilora {

struct Chapter {
  int64_t tasks = 0;  // that the run knows at its end
  std::vector<std::string>
      settings;  // key=value: what its options were, without paths and names of tasks
};

// Before a finished run learns more: keeps the configuration that it has. The same again changes nothing.
void keep_chapter(const RunFolder& folder);
// In order, the last one that of config.yaml. A run that an earlier version taught more has one for all.
std::vector<Chapter> chapters_of(const RunFolder& folder);

}  // namespace ilora
