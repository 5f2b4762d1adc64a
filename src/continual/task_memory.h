// Rows kept of each finished task: the memories that GEM's constraints and A-GEM's reference
// gradient are measured on, and the rows that ilora chooses its point by.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "continual/memory.h"
#include "continual/run.h"
#include "continual/state.h"

namespace ilora {

class TaskMemory {
 public:
  // Keeps `count` rows of the present task, a uniform sample that depends on (seed, task) alone.
  void keep(const Run& run, int64_t count);

  int64_t tasks() const { return static_cast<int64_t>(rows_.size()); }
  const std::vector<Row>& rows(int64_t task) const { return rows_.at(static_cast<size_t>(task)); }
  // Rows of one of the kept tasks, or of all of them together: `count` chosen anew for each step,
  // or all where count is 0. Valid until the next keep().
  std::vector<const Row*> draw(const Run& run, int64_t task, int64_t count) const;
  std::vector<const Row*> draw_from_all(const Run& run, int64_t count) const;

  // Takes the rows out for which `leaves` holds; returns how many. A task may be left without any.
  int64_t forget(const RowFilter& leaves);

  void visit(StateVisitor& visitor, const std::string& name);

 private:
  std::vector<std::vector<Row>> rows_;  // per task
};

}  // namespace ilora
