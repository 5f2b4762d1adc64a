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

TEST(RightOfWay, LearningGoesOnBesideAnswersAndAloneOnceTheyAreDone) {
  RightOfWay way(0.25);
  const Learns learns(way);
  way.set_answering(true);
  const int64_t before = learns.blocks();
  for (int i = 0; i < 60; ++i) {
    const RightOfWay::Pass pass(way);
    std::this_thread::sleep_for(1ms);
  }
  const int64_t beside = learns.blocks() - before;
  EXPECT_GT(beside, 2) << "it has its share";
  EXPECT_LT(beside, 60) << "answers have the right of way";
  way.set_answering(false);
  const int64_t then = learns.blocks();
  std::this_thread::sleep_for(60ms);
  EXPECT_GT(learns.blocks() - then, 10);
}

TEST(RightOfWay, WhatWasLearnedAloneIsNotOwedFor) {
  RightOfWay way(0.25);
  const Learns learns(way);
  std::this_thread::sleep_for(300ms);
  way.set_answering(true);
  const int64_t then = learns.blocks();
  std::this_thread::sleep_for(200ms);  // three times 300 ms would be all of it
  EXPECT_GT(learns.blocks() - then, 5);
  way.set_answering(false);
}

}  // namespace
}  // namespace ilora
