// stratified: equally many rows of each task, and of a task's answers as many as their share of its
// rows: stratified sampling with proportional allocation (Neyman 1934, "On the two different aspects
// of the representative method").
//
// The dozen rows that a small memory has of a task are a sample whose answers may be distributed
// unlike the task's, and replay teaches that distribution. Here it is the task's, as nearly as whole
// rows allow. A task with more different answers than AnswerCounts::kMostAnswers is one stratum, a
// uniform sample.
#include <algorithm>
#include <map>

#include "continual/answer_counts.h"
#include "continual/memory.h"

namespace ilora {
namespace {

class StratifiedMemory : public Memory {
 public:
  using Memory::Memory;

  void visit(StateVisitor& visitor, const std::string& name) override;

 protected:
  void place(const Row& row, int64_t index, uint64_t seed, std::optional<double> loss) override;

 private:
  size_t leaving(int32_t task, const Row* entering, uint64_t index, const Random& random) const;

  TaskAnswers shown_;
};

void StratifiedMemory::place(const Row& row, int64_t index, uint64_t seed, std::optional<double>) {
  shown_.add(row);
  if (has_room()) {
    rows_.push_back(row);
    return;
  }
  std::map<int32_t, int64_t> count;
  for (const Row& kept : rows_) ++count[kept.task];
  const auto largest = std::ranges::max_element(
      count, {}, [](const auto& task_rows) { return task_rows.second; });  // the first of them
  const auto i = static_cast<uint64_t>(index);
  const Random random = insertions(seed);
  size_t slot = rows_.size();
  switch (room_for(count.contains(row.task) ? count.at(row.task) : 0, largest->second)) {
    case Room::kLargest:
      slot = leaving(largest->first, nullptr, i, random);
      break;
    case Room::kOwn:
      slot = leaving(row.task, &row, i, random);
      break;
    case Room::kAny:  // a reservoir of all
      slot = random.below(i, i + 1);
      break;
  }
  if (slot < rows_.size()) rows_[slot] = row;
}

// Which row of a task leaves, so that the others are nearest to the answers' shares: one of the
// answer that has most rows above its share. Where a row enters it is one of them, and
// rows_.size() stands for it: it competes with the rows of its own answer as in a reservoir, and
// the first of an answer with the answers that were shown as often.
size_t StratifiedMemory::leaving(int32_t task, const Row* entering, uint64_t index,
                                 const Random& random) const {
  const AnswerCounts& shown = shown_.of(task);
  std::map<uint64_t, int64_t> count;
  int64_t left = -1;  // rows of the task without the one that leaves
  const auto add = [&](const Row& row) { ++count[shown.stratum(row)], ++left; };
  for (const Row& kept : rows_)
    if (kept.task == task) add(kept);
  if (entering != nullptr) add(*entering);

  // Rows above the share, times the rows shown, so that they are whole numbers.
  const auto surplus = [&](uint64_t stratum) {
    return count.at(stratum) * shown.rows - left * shown.of(stratum);
  };
  int64_t most = surplus(count.begin()->first);
  for (const auto& [stratum, rows] : count) most = std::max(most, surplus(stratum));

  const auto rows_where = [&](const auto& wanted) {
    std::vector<size_t> found;
    for (size_t i = 0; i < rows_.size(); ++i)
      if (rows_[i].task == task && wanted(shown.stratum(rows_[i]))) found.push_back(i);
    return found;
  };
  const auto one_of = [&](const std::vector<size_t>& kept, int64_t among) {
    const uint64_t drawn = random.below(index, static_cast<uint64_t>(among));
    return drawn < kept.size() ? kept[drawn] : rows_.size();
  };
  const std::vector<size_t> furthest =
      rows_where([&](uint64_t stratum) { return surplus(stratum) == most; });
  if (entering == nullptr || surplus(shown.stratum(*entering)) != most)
    return one_of(furthest, std::ssize(furthest));
  const uint64_t own = shown.stratum(*entering);
  if (count.at(own) > 1)
    return one_of(rows_where([&](uint64_t stratum) { return stratum == own; }), shown.of(own));
  return one_of(furthest, std::ranges::count_if(shown.answers, [&](const auto& answer_rows) {
                  return answer_rows.second == shown.of(own);
                }));
}

void StratifiedMemory::visit(StateVisitor& visitor, const std::string& name) {
  Memory::visit(visitor, name);
  shown_.visit(visitor, name + ".shown");
}

}  // namespace

std::unique_ptr<Memory> make_stratified(int64_t capacity) {
  return std::make_unique<StratifiedMemory>(capacity);
}

}  // namespace ilora
