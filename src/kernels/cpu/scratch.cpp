// Memory of a thread that kernels work in.
#include <cstdlib>
#include <memory>
#include <new>

#include "kernels/cpu/cpu.h"

namespace ilora::cpu {
namespace {

struct Free {
  void operator()(void* p) const { std::free(p); }
};
struct Scratch {
  std::unique_ptr<void, Free> memory;
  size_t bytes = 0;
};

}  // namespace

void* scratch(Slot slot, size_t bytes) {
  thread_local Scratch slots[static_cast<size_t>(Slot::kCount)];
  Scratch& s = slots[static_cast<size_t>(slot)];
  if (bytes > s.bytes) {
    constexpr size_t kAlign = 64;
    s.memory.reset();
    s.bytes = (bytes + kAlign - 1) / kAlign * kAlign;
    s.memory.reset(std::aligned_alloc(kAlign, s.bytes));
    if (!s.memory) {
      s.bytes = 0;
      throw std::bad_alloc();
    }
  }
  return s.memory.get();
}

}  // namespace ilora::cpu
