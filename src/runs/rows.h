// rows.jsonl: what single rows were worth. A line for each task and learner: right after the task
// was learned, and of the latest evaluation of all tasks. Written by train/scoring.cpp, read by
// study/cell_scores.cpp for paired comparisons.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ilora {

struct ScoredRows {
  static constexpr const char* kFile = "rows.jsonl";
  static constexpr const char* kRemedy =
      "The file was changed since `ilora train` wrote it; without it there are scores and no "
      "intervals.";

  std::string task, learner;
  int64_t after = 0;           // tasks learned
  std::string split;           // "test" or "eval"
  std::vector<double> scores;  // in the order of the split's file

  static void visit(auto& keys, auto& self) {
    keys.required("task", self.task);
    keys.required("learner", self.learner);
    keys.required("after", self.after);
    keys.required("split", self.split);
    keys.required("scores", self.scores);
  }
};

}  // namespace ilora
