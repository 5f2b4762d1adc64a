// Reservoir memory (Vitter 1985, algorithm R).
#include "continual/memory.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"

namespace ilora {
namespace {

Row numbered(uint64_t id) {
  Row row;
  row.tokens = {1, 2};
  row.prompt_length = 1;
  row.id = id;
  return row;
}

TEST(ReservoirMemory, KeepsEveryRowWithEqualProbability) {
  constexpr int kStreams = 10000, kRows = 40, kCapacity = 10;
  std::vector<int> kept(kRows);
  for (uint64_t seed = 0; seed < kStreams; ++seed) {
    ReservoirMemory memory(kCapacity);
    for (uint64_t i = 0; i < kRows; ++i) memory.insert(numbered(i), seed);
    ASSERT_EQ(memory.rows().size(), static_cast<size_t>(kCapacity));
    for (const Row& row : memory.rows()) ++kept[row.id];
  }
  // Sum of (observed - expected)^2 / variance over 40 rows, whose counts add up to a constant:
  // chi-square of 39 degrees of freedom after the factor (n-1)/n. Its 0.999 quantile is 72.1.
  const double p = static_cast<double>(kCapacity) / kRows, expected = kStreams * p;
  double chi = 0;
  for (const int count : kept)
    chi += (count - expected) * (count - expected) / (expected * (1 - p));
  chi *= static_cast<double>(kRows - 1) / kRows;
  EXPECT_LT(chi, 72.1);
  EXPECT_GT(chi, 13.0) << "too even to be random (0.0001 quantile)";
}

TEST(ReservoirMemory, HoldsARowAtMostOnceAndAllWhileThereIsRoom) {
  ReservoirMemory memory(20);
  for (uint64_t i = 0; i < 20; ++i) {
    memory.insert(numbered(i), 1);
    EXPECT_EQ(memory.rows().size(), i + 1);
  }
  for (uint64_t i = 20; i < 200; ++i) memory.insert(numbered(i), 1);
  std::set<uint64_t> ids;
  for (const Row& row : memory.rows()) ids.insert(row.id);
  EXPECT_EQ(ids.size(), 20U);
  EXPECT_EQ(memory.seen(), 200);
  EXPECT_GE(*ids.rbegin(), 150U) << "late rows enter too";
}

TEST(ReservoirMemory, DrawsWithoutRepetitionAndUniformly) {
  ReservoirMemory memory(12);
  for (uint64_t i = 0; i < 12; ++i) memory.insert(numbered(i), 1);
  std::vector<int> drawn(12);
  constexpr int kSteps = 3000;
  for (int64_t step = 0; step < kSteps; ++step) {
    std::set<uint64_t> ids;
    for (const Row* row : memory.draw(4, 1, step)) ids.insert(row->id);
    ASSERT_EQ(ids.size(), 4U);
    for (const uint64_t id : ids) ++drawn[id];
  }
  const double p = 4.0 / 12, expected = kSteps * p;
  double chi = 0;
  for (const int count : drawn)
    chi += (count - expected) * (count - expected) / (expected * (1 - p));
  EXPECT_LT(chi * 11 / 12, 31.3);  // 0.999 quantile of 11 degrees of freedom

  EXPECT_EQ(memory.draw(4, 1, 7), memory.draw(4, 1, 7));
  EXPECT_NE(memory.draw(4, 1, 7), memory.draw(4, 1, 8));
  EXPECT_NE(memory.draw(4, 1, 7), memory.draw(4, 2, 7));
  EXPECT_EQ(memory.draw(100, 1, 7).size(), 12U);
}

TEST(ReservoirMemory, NeedsRoom) {
  EXPECT_THROW(ReservoirMemory(0), Error);
  EXPECT_THROW(ReservoirMemory(-1), Error);
}

}  // namespace
}  // namespace ilora
