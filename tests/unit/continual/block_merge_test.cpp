// What a block keeps when two adapters are merged by Fisher information. The merge itself needs a
// model: tests/props/slow_learner_options_test.cpp.
#include "continual/block_merge.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

TEST(BlockMerge, TheFirstTaskIsTakenOverWhole) {
  EXPECT_EQ(BlockMerge::kept({}, {3, 0}, 1), (std::vector<double>{0, 0}));
}

TEST(BlockMerge, KeepsTheEarlierTasksShareOfTheTracesHalfWay) {
  // Traces 3 : 1, 1 : 3 and none at all, after two tasks: half of the share, half of 1/2.
  EXPECT_EQ(BlockMerge::kept({3, 1, 0}, {1, 3, 0}, 2), (std::vector<double>{0.625, 0.375, 0.5}));
  // After four: half of the share, half of 3/4.
  EXPECT_EQ(BlockMerge::kept({3, 1, 0}, {1, 3, 0}, 4), (std::vector<double>{0.75, 0.5, 0.75}));
}

}  // namespace
}  // namespace ilora
