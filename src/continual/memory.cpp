#include "continual/memory.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"

namespace ilora {
namespace {

constexpr uint64_t kInsertions = 0, kDraws = 1;  // two independent streams

}  // namespace

ReservoirMemory::ReservoirMemory(int64_t capacity) : capacity_(capacity) {
  if (capacity <= 0) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[memory] expected room for at least one row, got {}", capacity));
  }
}

void ReservoirMemory::insert(const Row& row, uint64_t seed) {
  const int64_t index = seen_++;
  if (index < capacity_) {
    rows_.push_back(row);
    return;
  }
  const Random random(seed, Stream::kMemory, kInsertions);
  const auto slot = static_cast<int64_t>(
      random.below(static_cast<uint64_t>(index), static_cast<uint64_t>(index) + 1));
  if (slot < capacity_) rows_[static_cast<size_t>(slot)] = row;
}

std::vector<const Row*> ReservoirMemory::draw(int64_t count, uint64_t seed, int64_t step) const {
  // The first `count` places of a Fisher-Yates shuffle.
  const Random random(seed, Stream::kMemory, hash_combine(kDraws, static_cast<uint64_t>(step)));
  std::vector<int64_t> order(rows_.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto n = std::min(static_cast<size_t>(count), rows_.size());
  std::vector<const Row*> drawn;
  for (size_t i = 0; i < n; ++i) {
    std::swap(order[i], order[i + random.below(i, rows_.size() - i)]);
    drawn.push_back(&rows_[static_cast<size_t>(order[i])]);
  }
  return drawn;
}

void ReservoirMemory::visit(StateVisitor& visitor, const std::string& name) {
  visitor.value(name + ".seen", seen_);
  visitor.rows(name + ".rows", rows_);
}

}  // namespace ilora
