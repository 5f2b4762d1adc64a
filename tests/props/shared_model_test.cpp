// Sessions of one process that share a model in memory: what one does, another neither sees nor
// hears, and each computes what it would alone. Run under the thread sanitizer too (CONTRIBUTING.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/parallel.h"
#include "ilora/ilora.h"
#include "tests/run_fixture.h"
#include "tests/sanitizer.h"

namespace ilora::testing {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// oneDNN is not instrumented: under the sanitizer the products are the reference's.
constexpr const char* kKernels = ILORA_THREAD_SANITIZER ? "reference" : "cpu";

std::string task_folder(const char* name) {
  return (data_folder("tiny-tasks") / name).string();
}

// Those of the tiny runs that are a session's own.
Settings learning(const Settings& more = {}) {
  Settings kept;
  for (const std::string& s : tiny_settings("unused", "ilora")) {
    if (s.starts_with("lora.") || s.starts_with("train.") || s.starts_with("method=") ||
        s.starts_with("engine.threads="))
      kept.push_back(s);
  }
  kept.insert(kept.end(), more.begin(), more.end());
  return kept;
}

class SharedModel : public ::testing::Test {
 protected:
  // Tells whether `run` ended as if it had learned `task` in a process of its own.
  void expect_as_alone(const fs::path& run, const char* task, const Settings& settings) {
    Settings own = settings;
    own.insert(own.end(), {"model.path=" + data_folder("tiny-model").string(), "engine.mode=f32",
                           std::string("engine.kernels=") + kKernels});
    const fs::path alone = folder_ / ("alone-" + run.filename().string());
    ASSERT_TRUE(Session(alone, own).learn(task_folder(task)));
    EXPECT_EQ(adapter_bytes(run), adapter_bytes(alone));
    EXPECT_EQ(results_of(run)["scores"], results_of(alone)["scores"]);
  }

  TemporaryFolder folder_;
  const Model model_{data_folder("tiny-model").string(),
                     {"engine.mode=f32", std::string("engine.kernels=") + kKernels}};
};

TEST_F(SharedModel, OneSessionLearnsWhileAnotherAnswers) {
  const std::vector<std::string> prompts = {"What is the colour of a?", "Count to three:", "x"};
  const AnswerOptions few{.max_new_tokens = 8};
  const Settings short_run = learning({"train.epochs=1"});
  ASSERT_TRUE(Session(folder_ / "expert", short_run, model_).learn(task_folder("alpha")));
  const auto expected = Session(folder_ / "expert", {}, model_).answer(prompts, few);

  const Settings longer = learning({"train.epochs=20", "engine.threads=2"});
  Session learner(folder_ / "learner", longer, model_), expert(folder_ / "expert", {}, model_);
  std::atomic<bool> learned{false};
  std::thread other([&] {
    EXPECT_TRUE(learner.learn(task_folder("beta")));
    learned = true;
  });
  int64_t answered = 0;
  do {
    EXPECT_EQ(expert.answer(prompts, few), expected);
    ++answered;
  } while (!learned);
  other.join();
  EXPECT_GT(answered, 1) << "they did not work at the same time";
  expect_as_alone(folder_ / "learner", "beta", longer);
}

TEST_F(SharedModel, TwoSessionsLearnAndStoppingOneLeavesTheOther) {
  Session stopped(folder_ / "stopped", learning({"train.epochs=1000"}), model_),
      whole(folder_ / "whole", learning(), model_);
  std::thread first([&] { EXPECT_FALSE(stopped.learn(task_folder("alpha"))); });
  while (count_steps(folder_ / "stopped") < 2) std::this_thread::yield();
  std::thread second([&] { EXPECT_TRUE(whole.learn(task_folder("beta"))); });
  while (count_steps(folder_ / "whole") < 2) std::this_thread::yield();
  stopped.stop();
  first.join();
  second.join();
  EXPECT_THAT(stopped.tasks(), IsEmpty());
  EXPECT_THAT(whole.tasks(), ::testing::ElementsAre("beta"));
  expect_as_alone(folder_ / "whole", "beta", learning());
}

TEST_F(SharedModel, EachSaysWhatItDoesToItsOwnListener) {
  std::vector<std::string> heard, other;
  Session loud(folder_ / "loud", learning(), model_),
      second(folder_ / "second", learning(), model_), quiet(folder_ / "quiet", learning(), model_);
  loud.on_message([&](const std::string& line) { heard.push_back(line); });
  second.on_message([&](const std::string& line) { other.push_back(line); });
  ::testing::internal::CaptureStderr();
  std::thread a([&] { EXPECT_TRUE(loud.learn(task_folder("alpha"))); });
  std::thread b([&] { EXPECT_TRUE(second.learn(task_folder("beta"))); });
  EXPECT_TRUE(quiet.learn(task_folder("gamma")));
  a.join();
  b.join();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(heard, Contains(HasSubstr("after task 1:  alpha")));
  EXPECT_THAT(other, Contains(HasSubstr("after task 1:  beta")));
  for (const char* foreign : {"beta", "gamma"}) EXPECT_THAT(heard, Each(Not(HasSubstr(foreign))));
  for (const char* foreign : {"alpha", "gamma"}) EXPECT_THAT(other, Each(Not(HasSubstr(foreign))));
}

TEST_F(SharedModel, ASessionLeavesItsCallersThreadsAlone) {
  const ScopedThreads own(3);
  Session session(folder_ / "run", learning({"engine.threads=1"}), model_);
  session.answer("x", {.max_new_tokens = 1});
  EXPECT_EQ(max_threads(), 3);
}

TEST_F(SharedModel, AnotherModelThanTheRunsIsRefused) {
  const auto told = [&](const Settings& settings, const Model& model) -> std::string {
    try {
      Session(folder_ / "run", settings, model);
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "nothing was thrown";
  };
  EXPECT_THAT(told({"model.path=elsewhere.gguf"}, model_), HasSubstr("elsewhere.gguf (f32"));
  EXPECT_THAT(told({"engine.kernels=check"}, model_), HasSubstr("check kernels"));
  EXPECT_THAT(told({"model.weights=stored"}, model_), HasSubstr("weights stored"));
  EXPECT_EQ(told({"engine.mode=f32"}, model_), "nothing was thrown");
  ASSERT_TRUE(
      Session(folder_ / "run", learning({"train.epochs=1"}), model_).learn(task_folder("alpha")));
  const fs::path copy = folder_ / "copy";
  fs::copy(data_folder("tiny-model"), copy);
  EXPECT_THAT(told({}, Model(copy.string(), {"engine.mode=f32"})), HasSubstr("/copy"));
  EXPECT_EQ(told({}, model_), "nothing was thrown");
  EXPECT_THROW(Model("tiny", {"train.epochs=3"}), std::runtime_error);
}

TEST_F(SharedModel, AStepIsFittedToMemoryBesideWeightsAsTheyAre) {
  const Settings settings = learning({"train.epochs=1", "engine.memory=4GiB"});
  for (const char* storage : {"expanded", "stored"}) {
    const Model model(data_folder("tiny-model").string(),
                      {"engine.mode=f32", std::string("model.weights=") + storage});
    std::vector<std::string> heard;
    Session session(folder_ / storage, settings, model);
    session.on_message([&](const std::string& line) { heard.push_back(line); });
    ASSERT_TRUE(session.learn(task_folder("alpha")));
    EXPECT_THAT(heard, Contains(HasSubstr("4GiB of memory")));
    EXPECT_EQ(configuration_of(RunFolder(folder_ / storage))->recipe.weights, storage);
  }
}

}  // namespace
}  // namespace ilora::testing
