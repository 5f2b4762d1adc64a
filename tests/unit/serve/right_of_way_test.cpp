#include "serve/right_of_way.h"

#include <gtest/gtest.h>

#include <thread>

namespace ilora {
namespace {

using namespace std::chrono_literals;

// A thread that learns in blocks until it is stopped, and counts them.
class Learns {
 public:
  explicit Learns(RightOfWay& way)
      : thread_([this, &way] {
          const RightOfWay::Learning learning(way);
          while (!stop_) {
            inside_ = true;
            std::this_thread::sleep_for(1ms);
            inside_ = false;
            ++blocks_;
            way.give_way();
          }
        }) {}
  ~Learns() {
    stop_ = true;
    thread_.join();
  }
  int64_t blocks() const { return blocks_; }
  bool inside() const { return inside_; }

 private:
  std::atomic<bool> stop_{false}, inside_{false};
  std::atomic<int64_t> blocks_{0};
  std::thread thread_;
};

TEST(RightOfWay, OneComputesAtATime) {
  RightOfWay way;
  const Learns learns(way);
  way.set_answering(true);
  for (int i = 0; i < 50; ++i) {
    const RightOfWay::Pass pass(way);
    EXPECT_FALSE(learns.inside());
    std::this_thread::sleep_for(200us);
    EXPECT_FALSE(learns.inside());
  }
  way.set_answering(false);
}

// Whether so many blocks are learned, in time that is ample.
bool reaches(const Learns& learns, int64_t blocks) {
  for (int i = 0; i < 10000 && learns.blocks() < blocks; ++i) std::this_thread::sleep_for(1ms);
  return learns.blocks() >= blocks;
}

TEST(RightOfWay, LearningGoesOnBesideAnswersAndAloneOnceTheyAreDone) {
  RightOfWay way(0.25);
  const Learns learns(way);
  way.set_answering(true);
  const int64_t before = learns.blocks();
  int64_t passes = 0;
  for (; passes < 10000 && learns.blocks() < before + 5; ++passes) {
    const RightOfWay::Pass pass(way);
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_GE(learns.blocks(), before + 5) << "it has its share";
  EXPECT_GE(passes + 2, 5) << "no two blocks without a pass between";
  // A block of 1 ms is followed by 3 ms of answers: some passes, and not as many as come (on a busy machine a block takes
  // longer, and as many more are right).
  EXPECT_LT(passes, 5000) << "answers leave it its share";
  way.set_answering(false);
  EXPECT_TRUE(reaches(learns, learns.blocks() + 20));
}

TEST(RightOfWay, WhatWasLearnedAloneIsNotOwedFor) {
  RightOfWay way(0.25);
  const Learns learns(way);
  std::this_thread::sleep_for(1s);
  const auto began = std::chrono::steady_clock::now();
  way.set_answering(true);
  EXPECT_TRUE(reaches(learns, learns.blocks() + 3));
  // Three times what was learned alone would be 3 s at least.
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2500ms);
  way.set_answering(false);
}

}  // namespace
}  // namespace ilora
