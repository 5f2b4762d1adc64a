// SuRe (Hazard et al. 2025) beside what it is made of: I-LoRA's slow learner without consistency, and
// the memory policy `surprise`.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/method_loop.h"

namespace ilora::testing {
namespace {

TEST(SurpriseReplay, IsIloraWithoutConsistencyAndWithASurprisedMemory) {
  MethodLoop sure("sure", {"sure.memory_size=9", "sure.rate=0.9"}),
      ilora("ilora",
            {"ilora.memory_size=9", "ilora.lambda=0.9", "ilora.warm_up=false", "ilora.gamma=0",
             "ilora.policy=surprise", "ilora.surprise_cap=1000", "ilora.surprise_random=0"});
  for (const int64_t task : {0, 1, 2}) {
    for (MethodLoop* loop : {&sure, &ilora}) loop->learn(task, 8);
    EXPECT_EQ(sure.fast(), ilora.fast());
    EXPECT_EQ(sure.slow(), ilora.slow());
  }
  EXPECT_NE(sure.fast(), sure.slow());
}

TEST(SurpriseReplay, WithoutASlowLearnersShareIsReplay) {
  MethodLoop sure("sure", {"sure.rate=0"}),
      er("er", {"er.policy=surprise", "er.surprise_cap=1000", "er.surprise_random=0"});
  for (const int64_t task : {0, 1}) {
    for (MethodLoop* loop : {&sure, &er}) loop->learn(task, 8);
    EXPECT_EQ(sure.fast(), er.fast());
    EXPECT_EQ(sure.slow(), sure.fast());
  }
}

TEST(SurpriseReplay, TheSlowLearnerFollowsFromTheFirstStep) {
  MethodLoop loop("sure");
  loop.begin_task(0, 20);
  std::vector<double> expected;
  for (const float x : loop.fast()) expected.push_back(static_cast<double>(x));
  for (int i = 0; i < 20; ++i) {
    loop.step();
    const std::vector<float> fast = loop.fast();
    for (size_t j = 0; j < fast.size(); ++j)
      expected[j] = 0.995 * expected[j] + 0.005 * static_cast<double>(fast[j]);
  }
  const std::vector<float> slow = loop.slow();
  for (size_t j = 0; j < slow.size(); ++j) ASSERT_NEAR(slow[j], expected[j], 1e-6);
  EXPECT_EQ(loop.method.deployed(), "slow");
}

}  // namespace
}  // namespace ilora::testing
