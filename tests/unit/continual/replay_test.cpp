// Which steps of a task replay.
#include "continual/replay.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

// The steps, from 1, of a task of 40 that replay.
std::vector<int64_t> steps(int64_t interval, double growth) {
  Replay replay;
  replay.options.interval = interval;
  replay.options.interval_growth = growth;
  std::vector<int64_t> due;
  for (int64_t step = 0; step < 40; ++step) {
    if (replay.due(step)) due.push_back(step + 1);
  }
  return due;
}

TEST(Interval, IsEveryStepByDefault) {
  Replay replay;
  for (int64_t step = 0; step < 100; ++step) EXPECT_TRUE(replay.due(step));
}

TEST(Interval, FixedOnesAreMultiples) {
  EXPECT_EQ(steps(7, 1), (std::vector<int64_t>{7, 14, 21, 28, 35}));
  EXPECT_EQ(steps(40, 1), (std::vector<int64_t>{40}));
  EXPECT_EQ(steps(41, 1), (std::vector<int64_t>{}));
}

TEST(Interval, GrowingOnesAreRoundedOneByOne) {
  EXPECT_EQ(steps(1, 2), (std::vector<int64_t>{1, 3, 7, 15, 31}));
  EXPECT_EQ(steps(2, 1.5), (std::vector<int64_t>{2, 5, 10, 17, 27}));  // 2, 3, 4.5, 6.75, 10.125
  EXPECT_EQ(steps(3, 100), (std::vector<int64_t>{3}));
  EXPECT_EQ(steps(50, 2), (std::vector<int64_t>{}));
}

}  // namespace
}  // namespace ilora
