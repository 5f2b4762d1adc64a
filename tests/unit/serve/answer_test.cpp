#include "serve/answer.h"

#include <gtest/gtest.h>

#include <thread>

#include "serve/request_error.h"

namespace ilora {
namespace {

using namespace std::chrono_literals;

TEST(Answer, PartsComeInOrderAndThenItsEnd) {
  Answer answer;
  const auto soon = Answer::Clock::now() + 10s;
  std::thread maker([&] {
    answer.add({"a"}, 1);
    answer.add({}, 1);  // nothing to show yet
    std::this_thread::sleep_for(5ms);
    answer.add({"b"}, 1);
    answer.end(Ending::kStop);
  });
  EXPECT_EQ(answer.next(soon)->text, "a");
  EXPECT_EQ(answer.next(soon)->text, "b");
  EXPECT_FALSE(answer.next(soon));
  EXPECT_EQ(answer.ending(), Ending::kStop);
  EXPECT_EQ(answer.tokens(), 3);
  maker.join();
}

TEST(Answer, WhatIsNotThereInTimeIsCancelled) {
  Answer answer;
  try {
    answer.next(Answer::Clock::now() + 1ms);
    ADD_FAILURE() << "it waited for ever";
  } catch (const RequestError& e) {
    EXPECT_EQ(e.status, kTimeout);
  }
  EXPECT_TRUE(answer.cancelled());
}

TEST(Answer, WhatWentWrongReachesWhoAsked) {
  Answer answer;
  answer.add({"a"}, 1);
  answer.fail(std::make_exception_ptr(Error(ErrorKind::kNumeric, "no number")));
  const auto soon = Answer::Clock::now() + 10s;
  EXPECT_EQ(answer.next(soon)->text, "a");
  EXPECT_THROW(answer.next(soon), Error);
}

}  // namespace
}  // namespace ilora
