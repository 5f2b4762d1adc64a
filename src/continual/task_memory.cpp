#include "continual/task_memory.h"

#include "base/error.h"

namespace ilora {
namespace {

// Substreams of Stream::kMemory; the reservoir has 0 and 1.
constexpr uint64_t kKept = 2, kDrawn = 3, kDrawnFromAll = 4;

Random draws(const Run& run, uint64_t what) {
  return {run.seed, Stream::kMemory, hash_combine(what, static_cast<uint64_t>(run.position.step))};
}

void append(std::vector<const Row*>& list, const std::vector<Row>& rows) {
  for (const Row& row : rows) list.push_back(&row);
}

}  // namespace

void TaskMemory::keep(const Run& run, int64_t count) {
  const Random random(run.seed, Stream::kMemory,
                      hash_combine(kKept, static_cast<uint64_t>(run.position.task)));
  std::vector<Row>& kept = rows_.emplace_back();
  for (const Row* row : sample_rows(run.task_rows, count, random)) kept.push_back(*row);
}

std::vector<const Row*> TaskMemory::draw(const Run& run, int64_t task, int64_t count) const {
  std::vector<const Row*> rows;
  append(rows, rows_.at(static_cast<size_t>(task)));
  if (count == 0) return rows;
  return sample_rows(rows, count, draws(run, hash_combine(kDrawn, static_cast<uint64_t>(task))));
}

std::vector<const Row*> TaskMemory::draw_from_all(const Run& run, int64_t count) const {
  std::vector<const Row*> rows;
  for (const std::vector<Row>& task : rows_) append(rows, task);
  return count == 0 ? rows : sample_rows(rows, count, draws(run, kDrawnFromAll));
}

int64_t TaskMemory::forget(const RowFilter& leaves) {
  int64_t gone = 0;
  for (std::vector<Row>& task : rows_) gone += static_cast<int64_t>(std::erase_if(task, leaves));
  return gone;
}

void TaskMemory::visit(StateVisitor& visitor, const std::string& name) {
  auto count = tasks();
  visitor.count(name + ".tasks", count);
  for (size_t t = 0; t < static_cast<size_t>(count); ++t) {
    if (t == rows_.size()) rows_.emplace_back();
    visitor.rows(fmt::format("{}.{}", name, t), rows_[t]);
  }
}

}  // namespace ilora
