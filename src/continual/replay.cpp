#include "continual/replay.h"

namespace ilora {

ReservoirMemory& Replay::memory() {
  if (!memory_) memory_.emplace(options.memory_size);
  return *memory_;
}

std::vector<const Row*> Replay::draw(const Run& run, int64_t batch) {
  if (run.position.task == 0) return {};
  return memory().draw(batch, run.seed, run.position.step);
}

void Replay::remember(const Run& run, const std::vector<const Row*>& current) {
  if (run.position.epoch > 0) return;
  for (const Row* row : current) memory().insert(*row, run.seed);
}

void Replay::visit(StateVisitor& visitor, const std::string& name) {
  memory().visit(visitor, name);
}

}  // namespace ilora
