#include "serve/recent_answers.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

TEST(RecentAnswers, TheLatestAreKnownByTheirIds) {
  RecentAnswers recent(2);
  const std::string a = recent.new_id("x"), b = recent.new_id("x"), c = recent.new_id("x");
  EXPECT_NE(a, b);
  recent.add(a, {{}, "question a", "answer a"});
  recent.add(b, {{}, "question b", "answer b"});
  ASSERT_TRUE(recent.find(a));
  EXPECT_EQ(recent.find(a)->answer, "answer a");
  recent.add(c, {{}, "question c", "answer c"});
  EXPECT_FALSE(recent.find(a)) << "the oldest went";
  EXPECT_EQ(recent.find(b)->prompt, "question b");
  EXPECT_FALSE(recent.find("x-unknown"));
  EXPECT_NE(RecentAnswers().new_id("x"), a) << "another process";
}

}  // namespace
}  // namespace ilora
