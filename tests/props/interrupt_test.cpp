// Ctrl-C at moments that a signal from outside hits only by luck: in an evaluation, and while a
// continued run looks at its new task.
#include "base/interrupt.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

// Sequential training that counts its end_task hooks, in its state, and presses Ctrl-C in the first
// of all.
class Counting : public Method {
 public:
  explicit Counting(bool& press) : press_(press) {}
  void end_task(ilora::Run&) override {
    ++ended;
    if (press_) request_interrupt();
    press_ = false;
  }
  void visit(StateVisitor& visitor) override { visitor.value("counting.ended", ended); }

  int64_t ended = 0;

 private:
  bool& press_;
};

class InterruptTest : public ::testing::Test {
 protected:
  ~InterruptTest() override { clear_interrupt(); }

  TemporaryFolder folder_;
};

TEST_F(InterruptTest, AnEvaluationBeginsAnewAndEndTaskHappensOnce) {
  const fs::path whole = folder_ / "whole", cut = folder_ / "cut";
  const Settings more = {"train.epochs=1"};
  for (const fs::path& path : {whole, cut}) {
    TinyRun tiny(tiny_settings(path, "seq", more));
    bool press = path == cut;
    Counting method(press);
    Trainer trainer(tiny.recipe(), tiny.configuration.options, method, *tiny.bench, tiny.tasks);
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
    clear_interrupt();
    Counting again(press);
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
      Trainer trainer(tiny.recipe(), tiny.configuration.options, tiny.configuration.method(),
                      *tiny.bench, tiny.tasks);
      if (restore) trainer.restore();
      if (!interrupt) return trainer.run();
      request_interrupt();
      EXPECT_THROW(trainer.run(), Error);
      clear_interrupt();
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
  const auto trainer = [](TinyRun& tiny) {
    return std::make_unique<Trainer>(tiny.recipe(), tiny.configuration.options,
                                     tiny.configuration.method(), *tiny.bench, tiny.tasks);
  };
  const auto first = begin("alpha");
  trainer(*first)->run();
  const auto results = results_of(path);
  const auto more = begin("alpha,beta");
  request_interrupt();
  try {
    trainer(*more)->restore();
    ADD_FAILURE() << "went on";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInterrupted);
  }
  clear_interrupt();
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
