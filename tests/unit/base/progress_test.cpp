#include "base/progress.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

struct Fixture {
  std::string bytes;
  double now = 100;
  Log log;
  explicit Fixture(bool terminal)
      : log([this](std::string_view text) { bytes += text; }, terminal, 120) {}
  Progress::Clock clock() {
    return [this] { return now; };
  }
  // What was written since the last call.
  std::string taken() { return std::exchange(bytes, {}); }
};

TEST(Progress, DrawsABarWithRateAndTimeLeft) {
  Fixture f(true);
  Progress progress(f.log, "task 1", 100, "step", 0, f.clock());
  f.now += 10;
  progress.advance(20, "loss 1.5");
  EXPECT_EQ(f.taken(),
            "\r\x1b[Ktask 1  [====                ]  20%  20/100 steps  2.0 steps/s  0:40 left  "
            "loss 1.5");
  progress.advance(1);  // too soon to redraw
  EXPECT_EQ(f.taken(), "");
  f.now += 0.2;
  progress.advance(79);
  EXPECT_TRUE(f.taken().starts_with("\r\x1b[Ktask 1  [====================] 100%  100/100 steps"));
  progress.finish();
  EXPECT_EQ(f.taken(), "\r\x1b[Ktask 1  100 steps in 0:10  loss 1.5\n");
}

TEST(Progress, SlowUnitsShowSecondsEach) {
  Fixture f(true);
  Progress progress(f.log, "t", 4, "step", 0, f.clock());
  f.now += 8;
  progress.advance();
  EXPECT_EQ(f.taken(), "\r\x1b[Kt  [=====               ]  25%  1/4 steps  8.0 s/step  0:24 left");
}

TEST(Progress, PlainLinesNowAndThen) {
  Fixture f(false);
  Progress progress(f.log, "task 1", 1000, "step", 0, f.clock());
  f.now += 1;
  progress.advance(100);  // enough work, too soon
  EXPECT_EQ(f.taken(), "");
  f.now += 4;
  progress.advance(100);
  EXPECT_EQ(f.taken(), "task 1   20%  200/1000 steps  40.0 steps/s  0:20 left\n");
  f.now += 6;
  progress.advance(10);  // late enough, but hardly anything new
  EXPECT_EQ(f.taken(), "");
  f.now += 30;
  progress.advance(10);  // a sign of life
  EXPECT_EQ(f.taken(), "task 1   22%  220/1000 steps  5.4 steps/s  2:25 left\n");
  progress.finish();
  progress.finish();
  EXPECT_EQ(f.taken(), "task 1  220 steps in 0:41\n");
}

TEST(Progress, AResumedLoopCountsOnlyItsOwnSteps) {
  Fixture f(false);
  Progress progress(f.log, "t", 100, "step", 50, f.clock());
  f.now += 10;
  progress.advance(10);
  EXPECT_EQ(f.taken(), "t   60%  60/100 steps  1.0 steps/s  0:40 left\n");
  progress.finish();
  EXPECT_EQ(f.taken(), "t  10 steps in 0:10\n");
}

TEST(Progress, AnAbandonedBarIsRemoved) {
  Fixture f(true);
  {
    Progress progress(f.log, "t", 2, "step", 0, f.clock());
    f.now += 1;
    progress.advance();
    f.taken();
  }
  EXPECT_EQ(f.taken(), "\r\x1b[K");
}

TEST(Progress, NothingToDoIsNotADivisionByZero) {
  Fixture f(false);
  Progress progress(f.log, "t", 0, "row", 0, f.clock());
  f.now += 60;
  progress.advance(0);
  EXPECT_EQ(f.taken(), "t  100%  0/0 rows\n");
}

TEST(FormatDuration, SecondsMinutesHours) {
  EXPECT_EQ(format_duration(0), "0:00");
  EXPECT_EQ(format_duration(7.4), "0:07");
  EXPECT_EQ(format_duration(59.6), "1:00");
  EXPECT_EQ(format_duration(3599), "59:59");
  EXPECT_EQ(format_duration(3723), "1:02:03");
  EXPECT_EQ(format_duration(-1), "0:00");
}

}  // namespace
}  // namespace ilora
