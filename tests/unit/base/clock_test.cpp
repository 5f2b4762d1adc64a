#include "base/clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace ilora {
namespace {

TEST(Clock, CountsSecondsAndNeverBackwards) {
  const double began = seconds_now();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double ended = seconds_now();
  EXPECT_GE(ended - began, 0.02);
  EXPECT_LT(ended - began, 20);
}

}  // namespace
}  // namespace ilora
