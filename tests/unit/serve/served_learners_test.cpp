#include "serve/served_learners.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "model/peft.h"
#include "serve/request_error.h"
#include "tests/unit/base/temporary_folder.h"
#include "tests/unit/serve/serving_bench.h"

namespace ilora {
namespace {

// A run folder with two tasks, each with learners fast and slow.
struct LearnedRun {
  LearnedRun() : run(begun()) {
    uint64_t number = 0;
    for (const int64_t task : {1, 2})
      for (const char* learner : {"fast", "slow"}) {
        save_peft(run.adapter(task, learner), tiny.adapter(++number), "base");
      }
  }
  RunFolder begun() const {
    make_folder(folder.path() / "mine");
    write_file_atomic(folder.path() / "mine" / "config.yaml", "method: ilora\n");
    return RunFolder(folder.path() / "mine");
  }
  std::vector<float> values(const std::string& name) {
    const auto learner = learners.find(name);
    const Tensor flat = learner->adapter->values();
    return {flat.ptr<float>(), flat.ptr<float>() + flat.size()};
  }

  TemporaryFolder folder;
  RunFolder run;
  test::ServingBench tiny;
  ServedLearners learners{"mine", &run, tiny.bench};
};

TEST(ServedLearners, ARunIsCalledByWhatItDeploysAndBySoMuchElse) {
  LearnedRun r;
  EXPECT_EQ(r.learners.find("mine")->adapter, nullptr) << "nothing is deployed yet";
  r.learners.deploy("slow", r.run.adapter(2, "slow"));
  EXPECT_EQ(r.values("mine"), r.values("mine:slow"));
  EXPECT_EQ(r.values(""), r.values("slow"));
  EXPECT_EQ(r.values("mine:task-01"), r.values("task-1:slow"));
  EXPECT_NE(r.values("mine:task-01"), r.values("mine:task-02"));
  EXPECT_EQ(r.values("task-02:fast"), r.values("fast"));
  EXPECT_EQ(r.learners.find("mine:base")->adapter, nullptr);
  EXPECT_THAT(r.learners.names(),
              ::testing::ElementsAre("mine", "mine:base", "mine:fast", "mine:slow", "mine:task-01",
                                     "mine:task-02"));
}

TEST(ServedLearners, APointBetweenTwoHasTheirFactorsInterpolated) {
  LearnedRun r;
  const auto slow = r.values("slow"), fast = r.values("fast"),
             point = r.values("mine:slow~fast@0.25");
  for (size_t i = 0; i < point.size(); ++i)
    ASSERT_NEAR(point[i], 0.75 * slow[i] + 0.25 * fast[i], 1e-6);
  EXPECT_EQ(r.values("slow~fast@0"), slow);
  EXPECT_EQ(r.values("task-01~task-02@1"), r.values("task-02"));
}

TEST(ServedLearners, OtherNamesAreNotFoundAndNeverAPath) {
  LearnedRun r;
  for (const char* name :
       {"yours", "mine:", "mine:nobody", "task-00", "task-03", "task-x", "task-1:nobody", "../mine",
        "mine:../../etc", "task-01:../adapter", "slow~fast@1.5", "slow~fast", "slow~nobody@0.5",
        "slow~fast@", "~@0.5"}) {
    try {
      r.learners.find(name);
      ADD_FAILURE() << name;
    } catch (const RequestError& e) {
      EXPECT_EQ(e.status, kNotFound) << name;
      EXPECT_THAT(e.hint(), ::testing::HasSubstr("mine:slow"));
    }
  }
}

TEST(ServedLearners, ALearnerInUseStaysWhenAnotherIsDeployed) {
  LearnedRun r;
  r.learners.deploy("slow", r.run.adapter(1, "slow"));
  const auto before = r.learners.find("mine");
  const float value = before->adapter->values().ptr<float>()[0];
  r.learners.deploy("slow", r.run.adapter(2, "slow"));
  EXPECT_NE(r.learners.find("mine"), before);
  EXPECT_EQ(before->adapter->values().ptr<float>()[0], value);
}

TEST(ServedLearners, AScaleIsOfTheLoraAlone) {
  LearnedRun r;
  const auto learner = r.learners.find("slow");
  const ServedLearner half(*learner, 0.5);
  EXPECT_EQ(half.adapter, learner->adapter);
  EXPECT_EQ(half.answerer.uses.front().scale, 0.5 * learner->answerer.uses.front().scale);
}

}  // namespace
}  // namespace ilora
