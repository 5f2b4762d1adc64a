// A finished run that was being taught more when it was stopped: nothing that it learned is given up,
// before or after. tests/soak/kills.py stops it everywhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "base/file.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

// A run on a copy of the tasks that has learned alpha.
class StoppedContinuation : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "tasks");
    for (const char* task : {"alpha", "beta"})
      fs::copy(data_folder("tiny-tasks") / task, folder_ / "tasks" / task);
    const Settings settings = {"data.folder=" + (folder_ / "tasks").string(), "train.epochs=1",
                               "data.tasks=alpha", "checkpoint.every=1"};
    ASSERT_EQ(run_ilora(folder_, train_arguments(tiny_settings(run_, "er", settings))).code, 0);
  }
  std::vector<std::string> continuation(int epochs) const {
    return {"train",
            "--continue",
            run_.string(),
            "--task",
            (folder_ / "tasks/beta").string(),
            "--set",
            "train.epochs=" + std::to_string(epochs)};
  }
  // Stops it when it has taken more steps than it had.
  void stop_while_it_learns(int signal) {
    const int64_t steps = count_steps(run_);
    Child child(folder_, continuation(200));
    while (child.running() && count_steps(run_) < steps + 3)
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    child.send(signal);
    child.wait();
  }
  void change_rows() const {
    const fs::path file = folder_ / "tasks/alpha/train.json";
    Json rows = read_json(file);
    rows[0]["answer"] = "something else";
    write_json(file, rows);
  }
  Outcome resume(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"train", "--resume", run_.string()});
    return run_ilora(folder_, more);
  }

  TemporaryFolder folder_;
  fs::path run_ = folder_ / "run";
};

// What refuses to go on does not undo the steps that were taken.
TEST_F(StoppedContinuation, KeepsItsStepsWhereRowsHaveChanged) {
  stop_while_it_learns(SIGTERM);
  const std::string state = read_file(RunFolder(run_).state());
  const std::string config = read_file(RunFolder(run_).config());
  change_rows();
  const Outcome refused = resume();
  EXPECT_EQ(refused.code, 1) << refused.all();
  EXPECT_THAT(refused.err, HasSubstr("--accept-changes"));
  EXPECT_EQ(read_file(RunFolder(run_).state()), state);
  EXPECT_EQ(read_file(RunFolder(run_).config()), config);
}

// It was killed when all was learned and only what the run was before had to go.
TEST_F(StoppedContinuation, ThatHasEndedIsNotUndone) {
  fs::copy(run_, folder_ / "first", fs::copy_options::recursive);
  ASSERT_EQ(run_ilora(folder_, continuation(1)).code, 0);
  const RunFolder first(folder_ / "first");
  fs::create_directories(RunFolder(run_).before());
  for (const fs::path& file : first.rewritten_files())
    fs::copy(file, RunFolder(run_).before() / file.filename());
  write_file_atomic(RunFolder(run_).before() / "metrics.bytes",
                    std::to_string(fs::file_size(first.path(kMetricsFile))));
  change_rows();
  EXPECT_EQ(resume().code, 1);
  EXPECT_EQ(results_of(run_).at("tasks"), Json({"alpha", "beta"}));
  EXPECT_EQ(resume({"--accept-changes"}).code, 0);
  EXPECT_EQ(results_of(run_).at("tasks"), Json({"alpha", "beta"}));
  EXPECT_FALSE(fs::exists(RunFolder(run_).before()));
}

// Of a damaged state the one before serves, which stands in the midst of beta: nobody knew of gamma
// then, and what it is scored there is no score "after alpha".
TEST_F(StoppedContinuation, FromTheStateBeforeHasTheSameScores) {
  ASSERT_EQ(run_ilora(folder_, continuation(1)).code, 0);
  fs::copy(run_, folder_ / "damaged", fs::copy_options::recursive);
  const std::vector<std::string> more = {"--task", data_folder("tiny-tasks/gamma").string()};
  const auto teach = [&](const fs::path& run) {
    return run_ilora(folder_, {"train", "--continue", run.string(), more[0], more[1]});
  };
  ASSERT_EQ(teach(run_).code, 0);
  ASSERT_TRUE(results_of(run_).at("scores")[1][2].is_null());
  const fs::path state = RunFolder(folder_ / "damaged").state();
  std::string bytes = read_file(state);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  fs::remove(state);  // the state before may be another name of the same file
  write_file_atomic(state, bytes);
  const Outcome outcome = teach(folder_ / "damaged");
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_THAT(outcome.err, HasSubstr("going on from the checkpoint before it"));
  EXPECT_EQ(results_of(folder_ / "damaged").at("scores"), results_of(run_).at("scores"));
}

// It was killed when it had said that it learns more and its configuration had not.
TEST_F(StoppedContinuation, ThatHasHardlyBegunIsTaughtAgain) {
  const std::string config = read_file(RunFolder(run_).config());
  stop_while_it_learns(SIGKILL);
  // As it was between the two files: without a step of the new task.
  fs::copy_file(RunFolder(run_).before() / "state.safetensors", RunFolder(run_).state(),
                fs::copy_options::overwrite_existing);
  write_file_atomic(RunFolder(run_).config(), config);
  const Outcome resumed = resume();
  EXPECT_EQ(resumed.code, 0) << resumed.all();
  const Outcome taught = run_ilora(folder_, continuation(1));
  EXPECT_EQ(taught.code, 0) << taught.all();
  EXPECT_EQ(results_of(run_).at("tasks"), Json({"alpha", "beta"}));
}

}  // namespace
}  // namespace ilora::testing
