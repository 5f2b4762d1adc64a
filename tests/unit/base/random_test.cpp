#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace ilora {
namespace {

// Pearson's statistic against equal expected counts.
double chi_square(const std::vector<int64_t>& counts) {
  const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  const double expected = total / static_cast<double>(counts.size());
  double sum = 0;
  for (const int64_t count : counts)
    sum += std::pow(static_cast<double>(count) - expected, 2) / expected;
  return sum;
}

// With k-1 degrees of freedom the statistic has mean k-1 and variance 2(k-1): five deviations on
// either side catch a skewed source as well as one that is too even. The draws are fixed by the
// seed, so the test cannot flicker.
void expect_uniform(const std::vector<int64_t>& counts) {
  const auto freedom = static_cast<double>(counts.size() - 1);
  EXPECT_NEAR(chi_square(counts), freedom, 5 * std::sqrt(2 * freedom));
}

TEST(Random, UniformFillsItsRangeEvenly) {
  const Random random(7, Stream::kTest);
  std::vector<int64_t> counts(100);
  for (uint64_t i = 0; i < 100000; ++i) {
    const double u = random.uniform(i);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    ++counts[static_cast<size_t>(u * 100)];
  }
  expect_uniform(counts);
}

TEST(Random, BelowIsUniformForAnAwkwardBound) {
  const Random random(8, Stream::kTest);
  std::vector<int64_t> counts(37);
  for (uint64_t i = 0; i < 74000; ++i) ++counts.at(random.below(i, 37));
  expect_uniform(counts);
}

TEST(Random, NeighbouringCountersStreamsAndSeedsAreIndependent) {
  std::vector<int64_t> pairs(64);
  const Random random(9, Stream::kTest), other(9, Stream::kMemory), next(10, Stream::kTest);
  for (uint64_t i = 0; i < 64000; ++i) ++pairs[random.below(i, 8) * 8 + random.below(i + 1, 8)];
  expect_uniform(pairs);
  std::fill(pairs.begin(), pairs.end(), 0);
  for (uint64_t i = 0; i < 64000; ++i) ++pairs[random.below(i, 8) * 8 + other.below(i, 8)];
  expect_uniform(pairs);
  std::fill(pairs.begin(), pairs.end(), 0);
  for (uint64_t i = 0; i < 64000; ++i) ++pairs[random.below(i, 8) * 8 + next.below(i, 8)];
  expect_uniform(pairs);
  EXPECT_NE(Random(9, Stream::kTest, 1).bits(0), Random(9, Stream::kTest, 2).bits(0));
}

TEST(Random, ADrawDependsOnNothingButItsCounter) {
  const Random a(3, Stream::kTest), b(3, Stream::kTest);
  const uint64_t late = a.bits(1000);
  for (uint64_t i = 0; i < 10; ++i) b.bits(i);
  EXPECT_EQ(b.bits(1000), late);
}

TEST(Random, NormalHasItsMoments) {
  const Random random(4, Stream::kTest);
  constexpr int kCount = 100000;
  double sum = 0, squares = 0, fourth = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    const double x = random.normal(i);
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  // Five standard errors: sqrt(1/n), sqrt(2/n), sqrt(96/n).
  EXPECT_NEAR(sum / kCount, 0, 5 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(squares / kCount, 1, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(fourth / kCount, 3, 5 * std::sqrt(96.0 / kCount));
}

TEST(Random, PermutationHoldsEachIndexOnce) {
  for (const int64_t count : {0, 1, 2, 257}) {
    std::vector<int64_t> order = Random(5, Stream::kTest).permutation(count);
    std::sort(order.begin(), order.end());
    std::vector<int64_t> expected(static_cast<size_t>(count));
    std::iota(expected.begin(), expected.end(), int64_t{0});
    EXPECT_EQ(order, expected);
  }
}

TEST(Random, AllPermutationsAreEquallyLikely) {
  std::vector<int64_t> counts(24);
  for (uint64_t seed = 0; seed < 24000; ++seed) {
    const std::vector<int64_t> order = Random(seed, Stream::kTest).permutation(4);
    int64_t rank = 0;  // Lehmer code
    for (size_t i = 0; i < 4; ++i) {
      const auto smaller =
          std::count_if(order.begin() + static_cast<std::ptrdiff_t>(i), order.end(),
                        [&](int64_t later) { return later < order[i]; });
      rank = rank * static_cast<int64_t>(4 - i) + smaller;
    }
    ++counts.at(static_cast<size_t>(rank));
  }
  expect_uniform(counts);
}

}  // namespace
}  // namespace ilora
