#include "bench/gemm_rate.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

TEST(GemmRate, TheBestOfTheShapesCounts) {
  EXPECT_EQ(best_gflops({{1, 1, 1, 3.0}, {2, 2, 2, 7.0}, {3, 3, 3, 5.0}}), 7.0);
}

TEST(Median, IsTheMiddleOrTheMeanOfBoth) {
  EXPECT_EQ(median({5, 1, 3}), 3);
  EXPECT_EQ(median({8, 1, 3, 5}), 4);
}

}  // namespace
}  // namespace ilora
