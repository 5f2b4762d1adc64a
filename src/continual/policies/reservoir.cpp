// reservoir: a uniform sample of all rows shown (Vitter 1985, "Random sampling with a reservoir",
// algorithm R).
#include "continual/memory.h"

namespace ilora {

void ReservoirMemory::place(const Row& row, int64_t index, uint64_t seed, std::optional<double>) {
  if (has_room()) {
    rows_.push_back(row);
    return;
  }
  const uint64_t i = static_cast<uint64_t>(index);
  const uint64_t slot = insertions(seed).below(i, i + 1);
  if (slot < rows_.size()) rows_[slot] = row;
}

}  // namespace ilora
