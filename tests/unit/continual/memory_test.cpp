// Reservoir memory (Vitter 1985, algorithm R).
#include "continual/memory.h"

#include <gtest/gtest.h>

#include <map>
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

// ---- draws of earlier tasks alone -----------------------------------------------------------

// `rows[t]` rows of task t, with ids 100 t + i.
ReservoirMemory of_tasks(const std::vector<uint64_t>& rows) {
  ReservoirMemory memory(1000);
  for (size_t task = 0; task < rows.size(); ++task) {
    for (uint64_t i = 0; i < rows[task]; ++i) {
      Row row = numbered(100 * task + i);
      row.task = static_cast<int32_t>(task);
      memory.insert(row, 1);
    }
  }
  return memory;
}

TEST(PastDraws, TasksGiveEquallyManyAndThePresentOneNone) {
  const ReservoirMemory memory = of_tasks({20, 7, 12, 30});
  std::map<int32_t, int> all;
  for (int64_t step = 0; step < 300; ++step) {
    std::map<int32_t, int> of;
    std::set<uint64_t> ids;
    for (const Row* row : memory.draw_past(8, 3, 1, step)) ++of[row->task], ids.insert(row->id);
    EXPECT_EQ(ids.size(), 8U) << "no row twice";
    ASSERT_EQ(of.size(), 3U);
    for (const auto& [task, rows] : of) {
      EXPECT_TRUE(rows == 2 || rows == 3) << task;
      all[task] += rows;
    }
  }
  // The odd rows go round: 800 each, and a deviation is 8.2.
  for (const auto& [task, rows] : all) EXPECT_NEAR(rows, 800, 33) << task;
}

TEST(PastDraws, ATaskWithTooFewRowsGivesWhatItHas) {
  const ReservoirMemory memory = of_tasks({2, 20});
  std::map<int32_t, int> of;
  for (const Row* row : memory.draw_past(8, 2, 1, 5)) ++of[row->task];
  EXPECT_EQ(of, (std::map<int32_t, int>{{0, 2}, {1, 6}}));
  EXPECT_EQ(memory.draw_past(100, 2, 1, 5).size(), 22U);
  EXPECT_TRUE(memory.draw_past(8, 0, 1, 5).empty());
}

TEST(PastDraws, RowsOfATaskAreAsLikelyAsEachOtherAndStepsDiffer) {
  const ReservoirMemory memory = of_tasks({10, 10});
  std::map<uint64_t, int> drawn;
  std::set<std::vector<uint64_t>> orders;
  for (int64_t step = 0; step < 2000; ++step) {
    std::vector<uint64_t> ids;
    for (const Row* row : memory.draw_past(4, 2, 1, step)) ids.push_back(row->id);
    for (const uint64_t id : ids) ++drawn[id];
    orders.insert(ids);
  }
  ASSERT_EQ(drawn.size(), 20U);
  for (const auto& [id, times] : drawn) EXPECT_NEAR(times, 400, 72) << id;  // four deviations
  EXPECT_GT(orders.size(), 1500U);
}

TEST(Shrunk, RowsLeaveAlikeUntilTheRestFits) {
  const int64_t one = numbered(0).bytes();
  std::vector<int> kept(40);
  constexpr int kStreams = 4000;
  for (uint64_t seed = 0; seed < kStreams; ++seed) {
    ReservoirMemory memory(20);
    for (uint64_t i = 0; i < 40; ++i) {
      memory.insert(numbered(i), seed);
      memory.shrink(10 * one + 1, seed);
      ASSERT_LE(memory.bytes(), 10 * one + 1);
    }
    ASSERT_EQ(memory.rows().size(), 10U);
    EXPECT_EQ(memory.capacity(), 10);
    for (const Row& row : memory.rows()) ++kept[row.id];
  }
  // A uniform sample of all shown still: 1000 of each, with a deviation of 27.
  for (const int count : kept) EXPECT_NEAR(count, 1000, 130);
}

TEST(Shrunk, OneRowStaysAndWhatFitsIsLeftAlone) {
  ReservoirMemory memory(5);
  for (uint64_t i = 0; i < 5; ++i) memory.insert(numbered(i), 1);
  memory.shrink(memory.bytes(), 1);
  EXPECT_EQ(memory.rows().size(), 5U);
  EXPECT_EQ(memory.capacity(), 5);
  memory.shrink(1, 1);
  EXPECT_EQ(memory.rows().size(), 1U);
  EXPECT_THROW(memory.restore_capacity(2), Error);
  EXPECT_THROW(memory.restore_capacity(0), Error);
}

}  // namespace
}  // namespace ilora
