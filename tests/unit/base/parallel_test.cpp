#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <vector>

namespace ilora {
namespace {

class Parallel : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    before_ = max_threads();
    set_threads(GetParam());
  }
  void TearDown() override { set_threads(before_); }

 private:
  int before_ = 1;
};

TEST_P(Parallel, VisitsEveryIndexOnce) {
  for (const int64_t count : {0, 1, 7, 8, 9, 1000}) {
    std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
    parallel_for(count, 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
    });
    for (const auto& visit : visits) ASSERT_EQ(visit, 1);
  }
}

TEST_P(Parallel, ChunksDoNotDependOnTheThreadCount) {
  std::mutex mutex;
  std::set<std::pair<int64_t, int64_t>> chunks;
  parallel_for(20, 8, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    chunks.emplace(begin, end);
  });
  EXPECT_EQ(chunks, (std::set<std::pair<int64_t, int64_t>>{{0, 8}, {8, 16}, {16, 20}}));
}

TEST_P(Parallel, RethrowsAnExceptionAndStaysUsable) {
  const auto failing = [](int64_t begin, int64_t) {
    if (begin == 5) throw Error(ErrorKind::kNumeric, "chunk 5");
  };
  EXPECT_THROW(parallel_for(10, 1, failing), Error);
  std::atomic<int> visits = 0;
  parallel_for(10, 1, [&](int64_t, int64_t) { ++visits; });
  EXPECT_EQ(visits, 10);
}

TEST_P(Parallel, NestedLoopsRun) {
  std::atomic<int> visits = 0;
  parallel_for(4, 1,
               [&](int64_t, int64_t) { parallel_for(5, 1, [&](int64_t, int64_t) { ++visits; }); });
  EXPECT_EQ(visits, 20);
}

INSTANTIATE_TEST_SUITE_P(Threads, Parallel, testing::Values(1, 2, 5));

TEST(ParallelFor, AChunkOfNothingIsAProgrammerError) {
  EXPECT_THROW(parallel_for(10, 0, [](int64_t, int64_t) {}), Error);
}

}  // namespace
}  // namespace ilora
