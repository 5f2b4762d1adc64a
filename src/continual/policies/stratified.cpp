// stratified: equally many rows of each task, and of a task's answers as many as their share of its
// rows: stratified sampling with proportional allocation (Neyman 1934, "On the two different aspects
// of the representative method").
//
// The dozen rows that a small memory has of a task are a sample whose answers may be distributed
// unlike the task's, and replay teaches that distribution. Here it is the task's, as nearly as whole
// rows allow. A task with more than kMostAnswers different answers (numbers, free text) is one
// stratum, a uniform sample.
#include <algorithm>
#include <map>

#include "continual/memory.h"

namespace ilora {
namespace {

constexpr size_t kMostAnswers = 20;  // as many as a task is taken for one of choices with (eval/)

// The rows of a task that the memory was shown.
struct Shown {
  int64_t rows = 0;
  std::map<uint64_t, int64_t> answers;  // rows of each; not kept up beyond kMostAnswers

  void add(const Row& row) {
    ++rows;
    if (one_stratum()) return;
    ++answers[answer_key(row)];
  }
  bool one_stratum() const { return answers.size() > kMostAnswers; }
  uint64_t stratum(const Row& row) const { return one_stratum() ? 0 : answer_key(row); }
  int64_t of(uint64_t stratum) const { return one_stratum() ? rows : answers.at(stratum); }
};

class StratifiedMemory : public Memory {
 public:
  using Memory::Memory;

  void visit(StateVisitor& visitor, const std::string& name) override;

 protected:
  void place(const Row& row, int64_t index, uint64_t seed, std::optional<double> loss) override;

 private:
  size_t leaving(int32_t task, const Row* entering, uint64_t index, const Random& random) const;

  std::map<int32_t, Shown> shown_;  // by task
};

void StratifiedMemory::place(const Row& row, int64_t index, uint64_t seed, std::optional<double>) {
  shown_[row.task].add(row);
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
  const Shown& shown = shown_.at(task);
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
  std::vector<int64_t>
      list;  // for each task: task, rows, number of answers; each answer and its rows
  for (const auto& [task, shown] : shown_) {
    list.insert(list.end(), {task, shown.rows, static_cast<int64_t>(shown.answers.size())});
    for (const auto& [answer, rows] : shown.answers)
      list.insert(list.end(), {static_cast<int64_t>(answer), rows});
  }
  visit_list(visitor, name + ".shown", list);
  shown_.clear();
  for (size_t i = 0; i < list.size();) {
    Shown& shown = shown_[static_cast<int32_t>(list.at(i))];
    shown.rows = list.at(i + 1);
    const auto end = i + 3 + 2 * static_cast<size_t>(list.at(i + 2));
    for (i += 3; i < end; i += 2) shown.answers[static_cast<uint64_t>(list.at(i))] = list.at(i + 1);
  }
}

}  // namespace

std::unique_ptr<Memory> make_stratified(int64_t capacity) {
  return std::make_unique<StratifiedMemory>(capacity);
}

}  // namespace ilora
