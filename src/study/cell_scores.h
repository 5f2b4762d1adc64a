// What a finished cell of a grid left behind, learner by learner. Called by study/comparison.cpp.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runs/results.h"
#include "study/grid.h"

namespace ilora {

using RowsByTask = std::map<std::string, std::vector<double>>;  // by task; none where not written

// What one learner of a finished cell scored.
struct LearnerScores {
  ScoreMatrix scores;
  RowsByTask last, learned;  // of single rows: the latest written; right after the task itself
};

struct FinishedCell {
  const Cell* cell;
  Results run;
  std::map<std::string, LearnerScores> learners;  // by name
  std::string split;
};

// Reads results.json and rows.jsonl. Throws Error(kFormat) for files that are damaged.
FinishedCell read_finished(const Cell& cell);

}  // namespace ilora
