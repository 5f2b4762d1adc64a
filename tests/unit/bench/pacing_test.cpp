#include "bench/pacing.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

TEST(Pacing, CountsRepetitionsBehindTheWarmUp) {
  int calls = 0, calls_when_warm = 0;
  const auto seconds = repeat_timed(
      {.warm_up = 2, .repeat = 3, .paced = false}, [&] { ++calls; },
      [&] { calls_when_warm = calls; });
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(calls_when_warm, 2);
  EXPECT_EQ(seconds.size(), 3U);
}

}  // namespace
}  // namespace ilora
