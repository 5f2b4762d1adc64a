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
  void place(const Row& row, int64_t, uint64_t, std::optional<double>) override {
    if (!has_room()) rows_.erase(leaves(row.task));
    rows_.push_back(row);
  }

 private:
  // The row that makes room for one of `task`: the oldest of those that may.
  std::vector<Row>::const_iterator leaves(int32_t task) const {
    std::map<int32_t, int64_t> count;
    for (const Row& row : rows_) ++count[row.task];
    int64_t most = 0;
    for (const auto& [other, n] : count) most = std::max(most, n);
    const Room room = room_for(count[task], most);
    return std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) {
      if (room == Room::kLargest) return count[row.task] == most;
      return room == Room::kAny || row.task == task;
    });
  }
};

}  // namespace

std::unique_ptr<Memory> make_ring(int64_t capacity) {
  return std::make_unique<RingMemory>(capacity);
}

}  // namespace ilora
