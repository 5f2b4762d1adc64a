// A run folder, read for reporting: what the run ended with, and how it went.
//
// Called by all of this folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "report/curves.h"
#include "runs/results.h"

namespace ilora::report {

struct RunData : Results {
  std::filesystem::path folder;
  std::string label;  // tells the runs of one report apart: method, and seed or folder where needed
  Curves curves;      // empty without metrics.jsonl

  std::string seed_text() const { return seed ? std::to_string(*seed) : std::string(); }
  bool unfinished() const { return !status.empty() && !finished(); }
};

// Reads every run and gives each a label of its own. Throws Error(kUsage) where there is none,
// Error(kFile) where a folder holds no results.json, Error(kFormat) where that or a line of
// metrics.jsonl is damaged.
std::vector<RunData> read_runs(const std::vector<std::filesystem::path>& folders);

}  // namespace ilora::report
