// task-balanced, label-balanced: equally many rows of each class, and within a class a uniform
// sample of its rows (Chrysakis and Moens 2020, "Online continual learning from imbalanced data":
// class-balancing reservoir sampling). A class is a task, or an answer (its tokens).
//
// A class that is more than one row short of the largest has kept every row it was shown.
#include <algorithm>
#include <map>

#include "continual/memory.h"

namespace ilora {
namespace {

using ClassKey = uint64_t (*)(const Row& row);

uint64_t task_of(const Row& row) {
  return static_cast<uint64_t>(row.task);
}

class BalancedMemory : public Memory {
 public:
  BalancedMemory(int64_t capacity, ClassKey key) : Memory(capacity), key_(key) {}

  void visit(StateVisitor& visitor, const std::string& name) override;

 protected:
  void place(const Row& row, int64_t index, uint64_t seed, std::optional<double> loss) override;

 private:
  std::map<uint64_t, int64_t> counts() const {
    std::map<uint64_t, int64_t> count;
    for (const Row& row : rows_) ++count[key_(row)];
    return count;
  }
  // The n-th kept row (from 0) for which `wanted` holds.
  template <class Wanted>
  Row& nth(uint64_t n, const Wanted& wanted) {
    const auto it = std::find_if(rows_.begin(), rows_.end(),
                                 [&](const Row& row) { return wanted(row) && n-- == 0; });
    return *it;
  }

  ClassKey key_;
  std::map<uint64_t, int64_t> class_seen_;  // rows shown, of the classes that have rows here
};

void BalancedMemory::place(const Row& row, int64_t index, uint64_t seed, std::optional<double>) {
  const uint64_t key = key_(row), i = static_cast<uint64_t>(index);
  if (has_room()) {
    ++class_seen_[key];
    rows_.push_back(row);
    return;
  }
  std::map<uint64_t, int64_t> count = counts();
  int64_t most = 0;
  for (const auto& [other, n] : count) most = std::max(most, n);
  const int64_t own = count[key];
  const Random random = insertions(seed);
  const Room room = room_for(own, most);
  if (room == Room::kLargest) {
    const auto large = [&](const Row& kept) { return count[key_(kept)] == most; };
    const auto n = static_cast<uint64_t>(std::count_if(rows_.begin(), rows_.end(), large));
    ++class_seen_[key];
    nth(random.below(i, n), large) = row;
  } else if (room == Room::kOwn) {
    // A reservoir of its own.
    const uint64_t slot = random.below(i, static_cast<uint64_t>(++class_seen_[key]));
    const auto same = [&](const Row& kept) { return key_(kept) == key; };
    if (slot < static_cast<uint64_t>(own)) nth(slot, same) = row;
  } else {
    // A reservoir of all.
    const uint64_t slot = random.below(i, i + 1);
    if (slot >= rows_.size()) return;
    class_seen_.erase(key_(rows_[slot]));
    class_seen_[key] = 1;
    rows_[slot] = row;
  }
}

void BalancedMemory::visit(StateVisitor& visitor, const std::string& name) {
  Memory::visit(visitor, name);
  std::vector<int64_t> seen;
  for (const auto& [key, n] : counts()) seen.push_back(class_seen_[key]);
  visit_list(visitor, name + ".class_seen", seen);
  class_seen_.clear();
  size_t next = 0;
  for (const auto& [key, n] : counts()) class_seen_[key] = seen.at(next++);
}

}  // namespace

std::unique_ptr<Memory> make_task_balanced(int64_t capacity) {
  return std::make_unique<BalancedMemory>(capacity, task_of);
}

std::unique_ptr<Memory> make_label_balanced(int64_t capacity) {
  return std::make_unique<BalancedMemory>(capacity, answer_key);
}

}  // namespace ilora
