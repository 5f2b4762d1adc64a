#include "base/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace ilora {
namespace {

struct Free {
  void operator()(void* p) const { std::free(p); }
};

TEST(Memory, IsAlignedAndAsLargeAsAskedFor) {
  for (const size_t bytes : {size_t{1}, size_t{65}, size_t{4} << 20, (size_t{9} << 20) + 1}) {
    const std::unique_ptr<void, Free> memory(allocate_aligned(bytes));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.get()) % 64, 0u) << bytes;
    std::memset(memory.get(), 1, bytes);
  }
}

TEST(Memory, ThrowsWhereThereIsNotEnough) {
  EXPECT_THROW(std::free(allocate_aligned(size_t{1} << 62)), std::bad_alloc);
}

}  // namespace
}  // namespace ilora
