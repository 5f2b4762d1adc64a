#include "base/denormals.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/parallel.h"

namespace ilora {
namespace {

constexpr float kDenormal = 1e-40f;

// Whether a denormal number counts as zero, on each thread of the pool.
std::vector<bool> flushes() {
  std::vector<char> zero(static_cast<size_t>(max_threads()), 0);
  on_each_thread(max_threads(), [&](int thread) {
    const volatile float tiny = kDenormal;
    const volatile float product = tiny * 1.0f;
    const volatile float from_normal = 1e-30f;
    const volatile float underflow = from_normal * 1e-10f;
    zero[static_cast<size_t>(thread)] = product == 0 && underflow == 0;
  });
  return {zero.begin(), zero.end()};
}

TEST(FlushDenormals, HoldsInEveryThreadWhileItLives) {
  const ScopedThreads threads(3);
  EXPECT_EQ(flushes(), std::vector<bool>(3, false));
  {
    const FlushDenormals outer;
    { const FlushDenormals inner; }
    EXPECT_EQ(flushes(), std::vector<bool>(3, true)) << "an inner one ends nothing";
  }
  EXPECT_EQ(flushes(), std::vector<bool>(3, false)) << "the caller's arithmetic is as it was";
}

}  // namespace
}  // namespace ilora
