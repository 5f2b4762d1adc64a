#include "continual/memory.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "base/error.h"

namespace ilora {
namespace {

// Independent streams; task_memory.cpp has 2 to 4.
constexpr uint64_t kInsertions = 0, kDraws = 1, kTaskOrder = 5, kDrawsOfTask = 6, kShrinks = 7;

struct Policy {
  const char* name;
  std::unique_ptr<Memory> (*make)(const MemoryOptions& options);
};

constexpr Policy kPolicies[] = {
    {"reservoir",
     [](const MemoryOptions& o) -> std::unique_ptr<Memory> {
       return std::make_unique<ReservoirMemory>(o.size);
     }},
    {"ring", [](const MemoryOptions& o) { return make_ring(o.size); }},
    {"task-balanced", [](const MemoryOptions& o) { return make_task_balanced(o.size); }},
    {"label-balanced", [](const MemoryOptions& o) { return make_label_balanced(o.size); }},
    {"stratified", [](const MemoryOptions& o) { return make_stratified(o.size); }},
    {"surprise", [](const MemoryOptions& o) { return make_surprise(o.size, o.surprise); }},
};

}  // namespace

Memory::Memory(int64_t capacity) : capacity_(capacity) {
  if (capacity <= 0) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[memory] expected room for at least one row, got {}", capacity));
  }
}

void Memory::insert(const Row& row, uint64_t seed, std::optional<double> loss) {
  const int64_t index = seen_++;
  place(row, index, seed, loss);
}

std::vector<const Row*> sample_rows(std::span<const Row* const> rows, int64_t count,
                                    const Random& random) {
  // The first `count` places of a Fisher-Yates shuffle.
  std::vector<const Row*> chosen(rows.begin(), rows.end());
  const auto n = std::min(static_cast<size_t>(count), chosen.size());
  for (size_t i = 0; i < n; ++i)
    std::swap(chosen[i], chosen[i + random.below(i, chosen.size() - i)]);
  chosen.resize(n);
  return chosen;
}

uint64_t answer_key(const Row& row) {
  uint64_t hash = 0;
  for (auto i = static_cast<size_t>(row.prompt_length); i < row.tokens.size(); ++i)
    hash = hash_combine(hash, static_cast<uint64_t>(row.tokens[i]));
  return hash;
}

std::vector<const Row*> Memory::draw(int64_t count, uint64_t seed, int64_t step) const {
  const Random random(seed, Stream::kMemory, hash_combine(kDraws, static_cast<uint64_t>(step)));
  return sample_rows(row_pointers(rows_), count, random);
}

std::vector<const Row*> Memory::draw_past(int64_t count, int64_t present, uint64_t seed,
                                          int64_t step) const {
  const auto random = [&](uint64_t what) {
    return Random(seed, Stream::kMemory, hash_combine(what, static_cast<uint64_t>(step)));
  };
  std::map<int32_t, std::vector<const Row*>> of_task;
  for (const Row& row : rows_)
    if (row.task < present) of_task[row.task].push_back(&row);
  std::vector<std::vector<const Row*>> tasks;  // each in the order that it gives its rows in
  for (const auto& [task, rows] : of_task)
    tasks.push_back(
        sample_rows(rows, count, random(hash_combine(kDrawsOfTask, static_cast<uint64_t>(task)))));
  const std::vector<int64_t> order = random(kTaskOrder).permutation(std::ssize(tasks));
  std::vector<const Row*> chosen;
  const auto wanted = static_cast<size_t>(count);
  for (size_t turn = 0, before = 1; chosen.size() != before; ++turn) {
    before = chosen.size();
    for (const int64_t task : order) {
      const std::vector<const Row*>& rows = tasks[static_cast<size_t>(task)];
      if (chosen.size() < wanted && turn < rows.size()) chosen.push_back(rows[turn]);
    }
  }
  return chosen;
}

int64_t Memory::bytes() const {
  return std::accumulate(rows_.begin(), rows_.end(), int64_t{0},
                         [](int64_t sum, const Row& row) { return sum + row.bytes(); });
}

void Memory::erase(const std::vector<bool>& leaves) {
  erase_marked(rows_, leaves);
}

int64_t Memory::forget(const RowFilter& leaves) {
  std::vector<bool> marks;
  for (const Row& row : rows_) marks.push_back(leaves(row));
  const auto gone = std::ranges::count(marks, true);
  if (gone > 0) erase(marks);
  return gone;
}

void Memory::shrink(int64_t most, uint64_t seed) {
  const Random random(seed, Stream::kMemory, hash_combine(kShrinks, static_cast<uint64_t>(seen_)));
  const size_t rows = rows_.size();
  int64_t left = bytes();
  std::vector<bool> marks(rows, false);
  size_t gone = 0;
  for (const int64_t i : random.permutation(static_cast<int64_t>(rows))) {
    if (left <= most || gone + 1 >= rows) break;
    left -= rows_[static_cast<size_t>(i)].bytes();
    marks[static_cast<size_t>(i)] = true;
    ++gone;
  }
  if (gone == 0) return;
  erase(marks);
  capacity_ = static_cast<int64_t>(rows_.size());
}

void Memory::restore_capacity(int64_t rows) {
  if (rows < 1 || rows > capacity_) {
    throw Error(ErrorKind::kFormat,
                fmt::format("[memory] expected room for 1 to {} rows, got {}", capacity_, rows));
  }
  capacity_ = rows;
}

void Memory::visit(StateVisitor& visitor, const std::string& name) {
  visitor.value(name + ".seen", seen_);
  visitor.rows(name + ".rows", rows_);
}

Random Memory::insertions(uint64_t seed) {
  return {seed, Stream::kMemory, kInsertions};
}

std::vector<std::string> memory_policies() {
  std::vector<std::string> names;
  for (const Policy& policy : kPolicies) names.emplace_back(policy.name);
  return names;
}

std::unique_ptr<Memory> make_memory(const MemoryOptions& options) {
  for (const Policy& policy : kPolicies) {
    if (options.policy == policy.name) return policy.make(options);
  }
  throw Error(ErrorKind::kUsage,
              fmt::format("[memory] there is no replay policy '{}'", options.policy),
              fmt::format("Choose one of: {}.", fmt::join(memory_policies(), ", ")));
}

}  // namespace ilora
