// What replaying methods share: a memory, when to draw from it and when to fill it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "continual/memory.h"
#include "continual/run.h"

namespace ilora {

struct ReplayOptions {
  int64_t memory_size = 500;  // rows kept over the whole sequence
};

class Replay {
 public:
  ReplayOptions options;

  // Rows to replay in this step: from the second task on, as many as the current batch (fewer while
  // the memory is smaller).
  std::vector<const Row*> draw(const Run& run, int64_t batch);
  // Shows the current rows to the memory: once each, in their task's first epoch, after the step;
  // replayed rows never.
  void remember(const Run& run, const std::vector<const Row*>& current);

  void visit(StateVisitor& visitor, const std::string& name);

 private:
  ReservoirMemory& memory();

  std::optional<ReservoirMemory> memory_;  // made at first use, when the options are known
};

}  // namespace ilora
