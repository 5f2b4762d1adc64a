// I-LoRA's slow learner against its definition (Ren et al. 2024): the recurrence over the fast
// learner's trajectory, computed in double beside a run of the method's own hooks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tests/method_loop.h"

namespace ilora::testing {
namespace {

class Loop : public MethodLoop {
 public:
  explicit Loop(const Settings& more) : MethodLoop("ilora", more) {}
};

// 25 steps in each of two tasks; the recurrence takes lambda from `lambda(k, steps of the task)`.
void follow(const Settings& more, const std::function<double(int64_t, int64_t)>& lambda) {
  Loop loop(more);
  std::vector<double> expected;
  for (const int64_t task : {0, 1}) {
    loop.begin_task(task, 25);
    if (expected.empty()) {
      const auto start = loop.fast();
      ASSERT_EQ(loop.slow(), start) << "the slow learner starts as the fast one";
      expected.assign(start.begin(), start.end());
    }
    for (int i = 0; i < 25; ++i) {
      loop.step();
      const double share = lambda(loop.run.position.step, 25);
      ASSERT_DOUBLE_EQ(loop.run.reported().at("lambda"), share);
      const auto fast = loop.fast();
      for (size_t j = 0; j < fast.size(); ++j)
        expected[j] = share * expected[j] + (1.0 - share) * static_cast<double>(fast[j]);
    }
  }
  const auto slow = loop.slow();
  const auto fast = loop.fast();
  double worst = 0, apart = 0;
  for (size_t j = 0; j < slow.size(); ++j) {
    worst = std::max(worst, std::abs(static_cast<double>(slow[j]) - expected[j]));
    apart = std::max(apart, std::abs(static_cast<double>(slow[j]) - static_cast<double>(fast[j])));
  }
  EXPECT_LE(worst, 1e-6) << "after " << loop.run.position.step << " steps";
  EXPECT_GT(apart, 1e-3) << "the learners never parted: nothing was tested";
  ::testing::Test::RecordProperty("largest_difference", fmt::format("{}", worst));
}

TEST(SlowLearner, FollowsTheRecurrenceWithAGivenLambda) {
  follow({"ilora.lambda=0.9"},
         [](int64_t k, int64_t) { return std::min(1.0 - 1.0 / static_cast<double>(k + 1), 0.9); });
}

TEST(SlowLearner, FollowsTheRecurrenceWithAHalfLife) {
  follow({"ilora.half_life=1"}, [](int64_t k, int64_t steps) {
    return std::min(1.0 - 1.0 / static_cast<double>(k + 1),
                    std::exp2(-1.0 / static_cast<double>(steps)));
  });
}

TEST(SlowLearner, FollowsTheRecurrenceWithoutWarmUp) {
  follow({"ilora.half_life=0.5", "ilora.warm_up=false"}, [](int64_t, int64_t steps) {
    return std::exp2(-1.0 / (0.5 * static_cast<double>(steps)));
  });
}

TEST(SlowLearner, FollowsTheRecurrenceWithAWarmUpInEachTask) {
  follow({"ilora.lambda=0.9", "ilora.warm_up_per=task"}, [](int64_t k, int64_t steps) {
    const int64_t of_task = (k - 1) % steps + 1;
    return std::min(1.0 - 1.0 / static_cast<double>(of_task + 1), 0.9);
  });
}

TEST(SlowLearner, LambdaOneNeverMovesAndLambdaZeroIsTheFastLearner) {
  for (const bool still : {true, false}) {
    Loop loop({"ilora.warm_up=false", still ? "ilora.lambda=1" : "ilora.lambda=0"});
    loop.begin_task(0, 8);
    const auto start = loop.slow();
    for (int i = 0; i < 8; ++i) {
      loop.step();
      ASSERT_EQ(loop.slow(), still ? start : loop.fast());
    }
    EXPECT_NE(loop.fast(), start) << "the fast learner did not move: nothing was tested";
  }
}

// With warm-up the first lambda is 1/2, so equal learners need lambda 0: then fast and slow stay
// one, and replayed rows have no distance at all, in the second task either.
TEST(SlowLearner, ConsistencyIsZeroWhileBothLearnersAreEqual) {
  for (const char* kernels : {"engine.kernels=cpu", "engine.kernels=reference"}) {
    // Below AVX-512, oneDNN rounds a row by its place in a product: the same row twice differs in
    // its last bits.
    const bool exact = cpu_features().bf16_possible || std::string(kernels).ends_with("reference");
    const double most = exact ? 0.0 : 1e-10;
    Loop loop({"ilora.warm_up=false", "ilora.lambda=0", "ilora.layers=0,1,-1",
               "ilora.positions=all", kernels});
    for (const int64_t task : {0, 1}) {
      loop.begin_task(task, 6);
      for (int i = 0; i < 6; ++i) {
        const PassReport report = loop.step();
        EXPECT_LE(report.terms[LossKind::kConsistency], most) << kernels;
        EXPECT_EQ(report.segments.size(), task == 0 ? 1U : 3U);
        for (size_t s = 0; s < report.segments.size(); ++s) {
          for (const double row : report.rows(s, LossKind::kConsistency))
            EXPECT_LE(row, most) << kernels;
        }
      }
    }
  }
  // And not by accident: one step of the fast learner alone separates them.
  Loop apart({"ilora.warm_up=false", "ilora.lambda=1"});
  apart.begin_task(0, 6);
  apart.step();
  apart.begin_task(1, 6);
  EXPECT_GT(apart.step().terms[LossKind::kConsistency], 0.0);
}

TEST(SlowLearner, ConsistencyIsZeroWhileBothLearnersAreEqualOnARealModel) {
  const char* model = std::getenv("ILORA_MODEL");
  if (model == nullptr || *model == '\0') GTEST_SKIP() << "set ILORA_MODEL to a model";
  for (const char* mode : {"f32", "bf16"}) {
    if (std::string(mode) == "bf16" && !cpu_features().bf16_possible) continue;
    Loop loop({std::string("model.path=") + model, std::string("engine.mode=") + mode,
               "ilora.warm_up=false", "ilora.lambda=0", "ilora.layers=3,-1",
               "lora.targets=q_proj,v_proj"});
    for (const int64_t task : {0, 1}) {
      loop.begin_task(task, 2);
      for (int i = 0; i < 2; ++i) {
        const PassReport report = loop.step();
        EXPECT_LE(report.terms[LossKind::kConsistency], cpu_features().bf16_possible ? 0.0 : 1e-10)
            << mode;
        EXPECT_GT(report.terms[LossKind::kCrossEntropy], 0.0);
      }
    }
    EXPECT_GT(loop.run.reported().count("distance"), 0U);
  }
}

TEST(SlowLearner, SurvivesTasks) {
  Loop loop({});
  loop.begin_task(0, 4);
  for (int i = 0; i < 4; ++i) loop.step();
  const auto slow = loop.slow();
  loop.begin_task(1, 4);
  EXPECT_EQ(loop.slow(), slow) << "a new task does not begin a new slow learner";
  EXPECT_EQ(loop.run.learners().size(), 2U);
}

}  // namespace
}  // namespace ilora::testing
