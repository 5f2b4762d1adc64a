// A run that is stopped at moments that a signal from outside hits only by luck: in an evaluation,
// and while a continued run looks at its new task.
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

struct Stop : TrainingObserver {
  bool requested = false;
  bool stop_requested() override { return requested; }
};

// Sequential training that counts its end_task hooks, in its state, and stops the run in the first
// of all where it is given something to stop it by.
class Counting : public Method {
 public:
  explicit Counting(Stop* stop = nullptr) : stop_(stop) {}
  void end_task(ilora::Run&) override {
    ++ended;
    if (stop_ != nullptr) stop_->requested = true;
  }
  void visit(StateVisitor& visitor) override { visitor.value("counting.ended", ended); }

  int64_t ended = 0;

 private:
  Stop* stop_;
};

class InterruptTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
};

TEST_F(InterruptTest, AnEvaluationBeginsAnewAndEndTaskHappensOnce) {
  const fs::path whole = folder_ / "whole", cut = folder_ / "cut";
  const Settings more = {"train.epochs=1"};
  for (const fs::path& path : {whole, cut}) {
    TinyRun tiny(tiny_settings(path, "seq", more));
    Stop stop;
    Counting method(path == cut ? &stop : nullptr);
    Trainer trainer(tiny.recipe(), tiny.configuration.options, method, *tiny.bench, tiny.tasks,
                    &stop);
    if (path == whole) {
      trainer.run();
      EXPECT_EQ(method.ended, 3);
      continue;
    }
    try {
      trainer.run();
      FAIL() << "was not interrupted";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kInterrupted);
      EXPECT_NE(std::string(e.what()).find("evaluation after task 1"), std::string::npos)
          << e.what();
      EXPECT_NE(e.hint().find("--resume"), std::string::npos);
    }
    EXPECT_EQ(results_of(cut).at("status"), "interrupted");
    Counting again;
    Trainer resumed(tiny.recipe(), tiny.configuration.options, again, *tiny.bench, tiny.tasks);
    resumed.restore();
    resumed.run();
    EXPECT_EQ(again.ended, 3) << "the first task ended twice, or never";
  }
  EXPECT_EQ(adapter_bytes(cut), adapter_bytes(whole));
  EXPECT_EQ(events(cut, ""), events(whole, ""));
  EXPECT_EQ(results_of(cut).at("scores"), results_of(whole).at("scores"));
}

TEST_F(InterruptTest, AContinuedRunThatIsInterruptedKnowsItsNewTask) {
  const fs::path whole = folder_ / "whole", cut = folder_ / "cut";
  for (const fs::path& path : {whole, cut}) {
    const auto go = [&](const char* tasks, bool restore, bool interrupt) {
      TinyRun tiny(
          tiny_settings(path, "ilora", {"train.epochs=1", std::string("data.tasks=") + tasks}));
      Stop stop;
      Trainer trainer(tiny.recipe(), tiny.configuration.options, tiny.configuration.method(),
                      *tiny.bench, tiny.tasks, &stop);
      if (restore) trainer.restore();
      if (!interrupt) return trainer.run();
      stop.requested = true;
      EXPECT_THROW(trainer.run(), Error);
    };
    go("alpha,beta", false, false);
    if (path == cut) go("alpha,beta,gamma", true, true);
    go("alpha,beta,gamma", true, false);
  }
  EXPECT_EQ(adapter_bytes(cut), adapter_bytes(whole));
  for (const char* key : {"scores", "scores_by", "metrics", "status"})
    EXPECT_EQ(results_of(cut).at(key), results_of(whole).at(key)) << key;
  EXPECT_EQ(events(cut, ""), events(whole, ""));
}

TEST_F(InterruptTest, WhileNewTasksAreScoredChangesNothing) {
  const fs::path path = folder_ / "run";
  const auto begin = [&](const char* tasks) {
    return std::make_unique<TinyRun>(
        tiny_settings(path, "seq", {"train.epochs=1", std::string("data.tasks=") + tasks}));
  };
  Stop stop;
  const auto trainer = [&](TinyRun& tiny) {
    return std::make_unique<Trainer>(tiny.recipe(), tiny.configuration.options,
                                     tiny.configuration.method(), *tiny.bench, tiny.tasks, &stop);
  };
  const auto first = begin("alpha");
  trainer(*first)->run();
  const auto results = results_of(path);
  const auto more = begin("alpha,beta");
  stop.requested = true;
  try {
    trainer(*more)->restore();
    ADD_FAILURE() << "went on";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInterrupted);
  }
  stop.requested = false;
  EXPECT_EQ(results_of(path), results);
  const auto again = begin("alpha,beta");
  const auto going_on = trainer(*again);
  going_on->restore();
  going_on->run();
  EXPECT_EQ(results_of(path).at("status"), "finished");
  EXPECT_EQ(count_steps(path), 2 * 4);
}

}  // namespace
}  // namespace ilora::testing
