// Two adapters merged block by block, by how much each block matters to what came before and to the
// newest task (Lee et al. 2017, "Overcoming catastrophic forgetting by incremental moment matching",
// arXiv 1703.08475: mode-IMM, with a block's trace of the Fisher information for its diagonal).
//
//   share_b = sum_{s<t} tr F_s,b / sum_{s<=t} tr F_s,b
//   kept_b  = (share_b + 1 - 1/t) / 2
//   l_b    <- kept_b l_b + (1 - kept_b) w_b
//
// F_s is of the fast learner as task s ended (importance.h). The half of 1 - 1/t keeps a block whose
// traces are noise near what equal tasks give it. The first task is taken over whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "continual/run.h"
#include "continual/state.h"

namespace ilora {

class BlockMerge {
 public:
  // At the end of a task: `into` <- the merge of itself with the fast learner, with Fisher information
  // of `rows` rows of the task, a uniform sample by (seed, task). Returns the mean share kept.
  double merge(Run& run, Adapter& into, int64_t rows);

  // What each block keeps of l as task number `tasks` (from 1) ends, from the traces of its own and of
  // those before.
  static std::vector<double> kept(const std::vector<double>& before, const std::vector<double>& now,
                                  int64_t tasks);

  void visit(StateVisitor& visitor, const std::string& name) {
    visit_list(visitor, name + ".traces", traces_);
  }

 private:
  std::vector<double> traces_;  // per block, summed over the tasks so far
};

}  // namespace ilora
