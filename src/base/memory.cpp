#include "base/memory.h"

#include <stdlib.h>

#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ilora {

void* allocate_aligned(size_t bytes) {
  constexpr size_t kAlign = 64, kHugePage = size_t{2} << 20, kLarge = 2 * kHugePage;
  const bool large = bytes >= kLarge;
  const size_t align = large ? kHugePage : kAlign;
  void* memory = nullptr;  // std::aligned_alloc would want a multiple of the alignment
  if (posix_memalign(&memory, align, bytes) != 0) throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  // Whole pages alone, so that nothing beyond `bytes` becomes resident. A refusal costs speed only.
  if (large) static_cast<void>(madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE));
#endif
  return memory;
}

}  // namespace ilora
