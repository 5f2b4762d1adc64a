// ring: the latest rows of each task, equally many of each (Lopez-Paz and Ranzato 2017, GEM's
// memory; the ring buffer of Chaudhry et al. 2019, arXiv 1902.10486, with tasks for classes).
//
// The number of tasks need not be known: a new task takes its share from the largest, oldest rows
// first.
#include <algorithm>
#include <map>

#include "continual/memory.h"

namespace ilora {
namespace {

class RingMemory : public Memory {
 public:
  using Memory::Memory;

 protected:
  // rows_ stand in the order in which they were shown.
  void place(const Row& row, int64_t, uint64_t, double) override {
    if (!has_room()) rows_.erase(leaves(row.task));
    rows_.push_back(row);
  }

 private:
  // The row that makes room for one of `task`: the oldest of the largest tasks while `task` has
  // less than its share, else the oldest of its own.
  std::vector<Row>::const_iterator leaves(int32_t task) const {
    std::map<int32_t, int64_t> count;
    for (const Row& row : rows_) ++count[row.task];
    int64_t most = 0;
    for (const auto& [other, n] : count) most = std::max(most, n);
    const int64_t own = count[task];
    return std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) {
      if (own + 1 < most) return count[row.task] == most;
      return own == 0 || row.task == task;  // more tasks than rows: the oldest of all
    });
  }
};

}  // namespace

std::unique_ptr<Memory> make_ring(int64_t capacity) {
  return std::make_unique<RingMemory>(capacity);
}

}  // namespace ilora
