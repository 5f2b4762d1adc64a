// The point on the straight path between two adapters that answers held-out rows best: ilora's P5 of
// docs/methods.md.
//
// Rows of each task are kept out of replay. After task t, for theta(beta) = l + beta (w - l),
//
//   J(beta) = mean over tasks s <= t of the mean over the rows held of s of nll(row; theta(beta))
//
// nll per label. The choice is the smallest beta whose J is above the least by no more than a
// standard error of the difference, paired by rows: where rows cannot tell, the point nearest to l.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "continual/run.h"
#include "continual/state.h"
#include "continual/task_memory.h"

namespace ilora {

// Of losses[point][task][row], in the points' order: the first whose mean over tasks of the mean over
// rows is within one standard error of the least. Every point has the same rows; no task is empty.
size_t choose_point(std::span<const std::vector<std::vector<double>>> losses);

class PathPoint {
 public:
  static constexpr double kBetas[] = {0, 0.25, 0.5, 0.75, 1};

  // Draws `count` rows of the task that begins to be held, a uniform sample by (seed, task).
  void hold(const Run& run, int64_t count) { held_.keep(run, count); }
  bool holds(const Row& row) const;  // of the tasks so far
  // to <- from + beta (towards - from) with the beta that was chosen, which is returned.
  double choose(Run& run, Adapter& to, const Adapter& from, const Adapter& towards) const;

  // Takes held rows out for which `leaves` holds; returns how many. A task without any counts for
  // nothing.
  int64_t forget(const RowFilter& leaves) { return held_.forget(leaves); }

  int64_t tasks() const { return held_.tasks(); }
  int64_t bytes() const;
  void visit(StateVisitor& visitor, const std::string& name) { held_.visit(visitor, name); }

 private:
  TaskMemory held_;
};

}  // namespace ilora
