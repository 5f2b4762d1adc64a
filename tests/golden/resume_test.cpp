// Runs that end early and go on: killed, interrupted, out of disk, taught one more task. A resumed
// run's bits are those of the run that nothing disturbed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/exit_code.h"
#include "base/process.h"
#include "tests/run_fixture.h"
#include "tests/sanitizer.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

// Waits until the run has taken `steps` optimiser steps, then sends the signal. False where it was
// over before.
bool signal_after(Child& child, const fs::path& run, int64_t steps, int signal) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::seconds(60);
  while (Clock::now() < deadline && child.running()) {
    if (fs::exists(RunFolder(run).path(kMetricsFile)) && count_steps(run) >= steps) {
      child.send(signal);
      return true;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  return false;
}

// What must not depend on where a run was cut: adapters, scores, and every logged event.
void expect_same_run(const fs::path& resumed, const fs::path& whole) {
  const auto a = adapter_bytes(resumed), b = adapter_bytes(whole);
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [path, bytes] : b) EXPECT_TRUE(a.at(path) == bytes) << path << " differs";
  for (const char* key : {"status", "tasks", "measures", "scores", "scores_by", "metrics"})
    EXPECT_EQ(results_of(resumed).at(key), results_of(whole).at(key)) << key;
  EXPECT_EQ(results_of(resumed).at("timing").at("train_tokens"),
            results_of(whole).at("timing").at("train_tokens"));
  EXPECT_EQ(events(resumed, ""), events(whole, ""));
}

struct Case {
  std::string name;
  std::string method;
  Settings settings;

  friend std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }
};

class Killed : public ::testing::TestWithParam<Case> {};

TEST_P(Killed, AtARandomMomentAndResumedHasTheUninterruptedBits) {
  const TemporaryFolder folder;
  Settings more = GetParam().settings;
  more.insert(more.end(), {"checkpoint.every=3", "train.epochs=3"});
  const fs::path whole = folder / "whole", cut = folder / "cut";
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(whole, GetParam().method, more))).code,
            0);

  const Settings settings = tiny_settings(cut, GetParam().method, more);
  std::random_device seed;
  std::mt19937 random(seed());
  std::string moments;
  int killed = 0;
  const auto kill_at_random = [&](const std::vector<std::string>& arguments) {
    const int64_t done = fs::exists(RunFolder(cut).path(kMetricsFile)) ? count_steps(cut) : 0;
    const int64_t step =
        std::uniform_int_distribution<int64_t>(done, std::max<int64_t>(done, 30))(random);
    moments += fmt::format(" {}", step);
    Child child(folder, arguments);
    signal_after(child, cut, step, SIGKILL);
    killed += child.wait().signal == SIGKILL ? 1 : 0;
  };
  kill_at_random(train_arguments(settings));
  // Killed once more on the way, then left alone; with other threads, which may not matter either.
  kill_at_random({"train", "--resume", cut.string(), "--set", "engine.threads=2"});
  const Outcome outcome =
      run_ilora(folder, {"train", "--resume", cut.string(), "--set", "engine.threads=1"});
  ASSERT_EQ(outcome.code, 0) << outcome.err << "killed after steps" << moments;
  SCOPED_TRACE("killed after steps" + moments);
  EXPECT_GT(killed, 0) << "the run was over too soon";
  expect_same_run(cut, whole);
}

// Every method that trains, and what else a run's state may hold.
std::vector<Case> killed_cases() {
  std::vector<Case> cases;
  for (const std::string& method : training_methods()) {
    // Memories too small for all rows, so that chance decides what they hold.
    Settings settings;
    for (const char* replays : {"er", "ilora", "derpp", "sure"})
      if (method == replays) settings = {method + ".memory_size=10"};
    if (method == "gem" || method == "agem")
      settings = {method + ".memory_size=10", method + ".draw=4"};
    if (method == "ewc" || method == "pm") settings = {method + ".rows=10"};
    cases.push_back({method, method, settings});
  }
  cases.push_back({"ilora_dropout", "ilora", {"lora.dropout=0.2"}});
  cases.push_back({"gem_dropout", "gem", {"lora.dropout=0.2"}});
  cases.push_back({"ewc_online", "ewc", {"ewc.anchors=online", "ewc.gamma=0.9"}});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Runs, Killed, ::testing::ValuesIn(killed_cases()),
                         [](const auto& kind) { return test_name(kind.param.name); });

TEST(Interrupted, EndsTheStepWritesACheckpointAndSaysHowToGoOn) {
  const TemporaryFolder folder;
  const Settings more = {"train.epochs=20", "data.tasks=alpha,beta"};
  const fs::path whole = folder / "whole", cut = folder / "cut";
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(whole, "ilora", more))).code, 0);

  Child child(folder, train_arguments(tiny_settings(cut, "ilora", more)));
  ASSERT_TRUE(signal_after(child, cut, 30, SIGINT)) << "the run was over too soon";
  const Outcome stopped = child.wait();
  EXPECT_EQ(stopped.code, 130) << stopped.all();
  EXPECT_THAT(stopped.err, HasSubstr("ilora train --resume " + cut.string()));
  EXPECT_EQ(results_of(cut).at("status"), "interrupted");
  EXPECT_TRUE(fs::exists(RunFolder(cut).state()));
  EXPECT_LT(count_steps(cut), 160);

  const Outcome outcome = run_ilora(folder, {"train", "--resume", cut.string()});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  expect_same_run(cut, whole);
}

TEST(Interrupted, ByAClosedTerminalOrATermSignalToo) {
  for (const int signal : {SIGHUP, SIGTERM}) {
    const TemporaryFolder folder;
    const fs::path cut = folder / "cut";
    Child child(folder, train_arguments(tiny_settings(cut, "ilora", {"train.epochs=20"})));
    ASSERT_TRUE(signal_after(child, cut, 10, signal)) << "the run was over too soon";
    const Outcome stopped = child.wait();
    EXPECT_EQ(stopped.code, exit_code_of_signal(signal)) << stopped.all();
    EXPECT_EQ(results_of(cut).at("status"), "interrupted");
    EXPECT_TRUE(fs::exists(RunFolder(cut).state()));
  }
}

TEST(Interrupted, NotByAReaderThatGoesAway) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  std::string command = ILORA_BINARY;
  for (const std::string& word : train_arguments(tiny_settings(run, "seq", {"train.epochs=20"})))
    command += fmt::format(" '{}'", word);
  ASSERT_NE(std::system((command + " 2>&1 | true").c_str()), -1);
  EXPECT_EQ(results_of(run).at("status"), "finished");
}

TEST(Interrupted, BeforeTheFirstStepStartsAnew) {
  const TemporaryFolder folder;
  const Settings more = {"train.epochs=2"};
  const fs::path whole = folder / "whole", cut = folder / "cut";
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(whole, "seq", more))).code, 0);
  {
    Child child(folder, train_arguments(tiny_settings(cut, "seq", more)));
    while (child.running() && !fs::exists(RunFolder(cut).config()))
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    child.send(SIGINT);
    const Outcome stopped = child.wait();
    EXPECT_EQ(stopped.code, 130) << stopped.all();
    EXPECT_THAT(stopped.err, HasSubstr("--resume"));
  }
  const Outcome outcome = run_ilora(folder, {"train", "--resume", cut.string()});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  expect_same_run(cut, whole);
}

TEST(FullDisk, LeavesTheLastCheckpointValid) {
  if (ILORA_THREAD_SANITIZER)
    GTEST_SKIP() << "clang's OpenMP library cannot start under a file-size limit";
  const TemporaryFolder folder;
  const Settings more = {"train.epochs=20", "data.tasks=alpha", "checkpoint.every=1000"};
  const fs::path whole = folder / "whole", cut = folder / "cut";
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(whole, "ilora", more))).code, 0);
  {
    Child child(folder, train_arguments(tiny_settings(cut, "ilora", more)));
    ASSERT_TRUE(signal_after(child, cut, 5, SIGINT)) << "the run was over too soon";
    ASSERT_EQ(child.wait().code, 130);
  }
  // Log and configuration fit, the checkpoint (five flat vectors of 14 KiB) does not any more.
  const fs::path state = RunFolder(cut).state();
  const std::string before = read_file(state);
  const auto limit = static_cast<int64_t>(std::max(fs::file_size(RunFolder(cut).path(kMetricsFile)),
                                                   fs::file_size(RunFolder(cut).config()))) +
                     8192;
  ASSERT_LT(limit, static_cast<int64_t>(before.size()));
  const Outcome full =
      run_ilora(folder, {"train", "--resume", cut.string(), "--set", "checkpoint.every=1"},
                {.environment = {}, .file_limit = limit});
  EXPECT_EQ(full.code, 1) << full.all();
  EXPECT_THAT(full.err, HasSubstr(state.string()));
  EXPECT_THAT(full.err, HasSubstr("space"));
  EXPECT_TRUE(read_file(state) == before) << "the last checkpoint was touched";
  for (const auto& entry : fs::directory_iterator(state.parent_path()))
    EXPECT_TRUE(entry.path() == state || entry.path() == RunFolder(cut).earlier_state())
        << entry.path();

  const Outcome outcome =
      run_ilora(folder, {"train", "--resume", cut.string(), "--set", "checkpoint.every=1000"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  expect_same_run(cut, whole);
}

TEST(Resume, OfAFinishedRunChangesNothing) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  ASSERT_EQ(
      run_ilora(folder, train_arguments(tiny_settings(run, "ilora", {"train.epochs=1"}))).code, 0);
  const auto adapters = adapter_bytes(run);
  const auto log = read_file(RunFolder(run).path(kMetricsFile));
  const Json scores = results_of(run).at("scores");
  ASSERT_EQ(run_ilora(folder, {"train", "--resume", run.string()}).code, 0);
  EXPECT_EQ(adapter_bytes(run), adapters);
  EXPECT_EQ(read_file(RunFolder(run).path(kMetricsFile)), log);
  EXPECT_EQ(results_of(run).at("scores"), scores);
}

class Continued : public ::testing::TestWithParam<const char*> {};

// Two tasks, then a third taught to the finished run.
// A short finished run of one task.
Outcome learn_alpha(const TemporaryFolder& folder, const fs::path& run, Settings more = {}) {
  more.insert(more.begin(), {"train.epochs=1", "data.tasks=alpha"});
  return run_ilora(folder, train_arguments(tiny_settings(run, "er", more)));
}

TEST(Resume, IsRefusedWhileAnotherProcessWorksInTheFolder) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  ASSERT_EQ(learn_alpha(folder, run).code, 0);
  const std::string log = read_file(RunFolder(run).path(kMetricsFile));
  const FolderLock lock(run);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"train", "--resume", run.string()},
        {"train", "--continue", run.string(), "--task", data_folder("tiny-tasks/beta").string()}}) {
    const Outcome outcome = run_ilora(folder, words);
    EXPECT_EQ(outcome.code, kExitInUse) << outcome.all();
    EXPECT_THAT(outcome.err, HasSubstr("in use by another ilora"));
  }
  EXPECT_EQ(read_file(RunFolder(run).path(kMetricsFile)), log);
  EXPECT_EQ(results_of(run).at("status"), "finished");
}

TEST(Resume, WithoutItsCheckpointARunIsNotTrainedAnew) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  ASSERT_EQ(learn_alpha(folder, run).code, 0);
  const auto adapters = adapter_bytes(run);
  fs::remove_all(run / "checkpoints/last");
  const Outcome outcome = run_ilora(folder, {"train", "--resume", run.string()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("state.safetensors"));
  EXPECT_EQ(adapter_bytes(run), adapters);
}

TEST_P(Continued, LearnsOneMoreTaskAndKeepsWhatItKnew) {
  const std::string method = GetParam();
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const Settings more = {"train.epochs=3", "data.tasks=alpha,beta"};
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(run, method, more))).code, 0);
  const Json before = results_of(run);
  const auto adapters = adapter_bytes(run);

  const Outcome outcome = run_ilora(folder, {"train", "--continue", run.string(), "--task",
                                             data_folder("tiny-tasks/gamma").string(), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json after = results_of(run);
  EXPECT_EQ(Json::parse(outcome.out), after);
  EXPECT_EQ(after.at("tasks"), Json({"alpha", "beta", "gamma"}));
  ASSERT_EQ(after.at("scores").size(), 4U);
  for (const auto& [learner, by] : before.at("scores_by").items()) {
    const Json& scores = after.at("scores_by").at(learner).at("choice");
    for (size_t k = 0; k < 3; ++k) {
      for (size_t j = 0; j < 2; ++j) EXPECT_EQ(scores[k][j], by.at("choice")[k][j]) << learner;
    }
    EXPECT_TRUE(scores[0][2].is_number()) << "the base model on the new task";
    EXPECT_TRUE(scores[1][2].is_null()) << "after the first task nobody knew of the third";
    EXPECT_TRUE(scores[2][2].is_number()) << "the learner on the new task, untaught";
    for (size_t j = 0; j < 3; ++j) EXPECT_TRUE(scores[3][j].is_number());
  }
  EXPECT_TRUE(after.at("metrics").at("backward_transfer").is_number());
  EXPECT_TRUE(after.at("metrics").at("forward_transfer").is_number());
  for (const auto& [path, bytes] : adapters)
    EXPECT_TRUE(adapter_bytes(run).at(path) == bytes) << path;
  EXPECT_EQ(count_steps(run), 36);

  // All three tasks from the start give the same adapters: the run really went on where it stood.
  const fs::path whole = folder / "whole";
  ASSERT_EQ(
      run_ilora(folder, train_arguments(tiny_settings(whole, method, {"train.epochs=3"}))).code, 0);
  EXPECT_EQ(adapter_bytes(run), adapter_bytes(whole));
  EXPECT_EQ(after.at("scores")[3], results_of(whole).at("scores")[3]);
  EXPECT_EQ(after.at("scores")[0], results_of(whole).at("scores")[0]);
}

INSTANTIATE_TEST_SUITE_P(Runs, Continued,
                         ::testing::Values("er", "ilora", "ewc", "gem", "agem", "one", "l2p", "pp",
                                           "derpp", "sure", "sfa", "slao", "pm", "olora", "ogd"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST(Continued, IsRefusedWhereAllTasksAreLearnedTogether) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const Settings more = {"train.epochs=1", "data.tasks=alpha,beta"};
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(run, "mtl", more))).code, 0);
  const Json before = results_of(run);
  const std::string log = read_file(RunFolder(run).path(kMetricsFile));
  const Outcome outcome = run_ilora(folder, {"train", "--continue", run.string(), "--task",
                                             data_folder("tiny-tasks/gamma").string()});
  EXPECT_EQ(outcome.code, 2) << outcome.all();
  EXPECT_THAT(outcome.err, HasSubstr("together"));
  EXPECT_EQ(results_of(run), before) << "nothing was changed";
  EXPECT_EQ(read_file(RunFolder(run).path(kMetricsFile)), log);
}

TEST(Continued, ThatFailsIsResumedAndNotTaughtTwice) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  ASSERT_EQ(learn_alpha(folder, run).code, 0);
  const std::vector<std::string> again = {"train", "--continue", run.string(), "--task",
                                          data_folder("tiny-tasks/beta").string()};
  std::vector<std::string> first = again;
  first.insert(first.end(), {"--set", "train.epochs=200"});
  Child child(folder, first);
  ASSERT_TRUE(signal_after(child, run, 8, SIGKILL)) << "the run was over too soon";
  child.wait();
  const Outcome twice = run_ilora(folder, again);
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.err, HasSubstr("--resume " + run.string()));
}

// An error that would only repeat: the run is not left between two states.
TEST(Continued, ThatCannotWorkLeavesTheRunAsItWas) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  ASSERT_EQ(learn_alpha(folder, run, {"checkpoint.every=1"}).code, 0);
  const auto adapters = adapter_bytes(run);
  const auto content = [&] {
    const RunFolder files(run);
    return std::vector{read_file(files.config()), read_file(files.path(Results::kFile)),
                       read_file(files.path(ScoredRows::kFile)),
                       read_file(files.path(kMetricsFile)), read_file(files.state())};
  };
  const auto before = content();
  const std::vector<std::string> again = {"train", "--continue", run.string(), "--task",
                                          data_folder("tiny-tasks/beta").string()};
  std::vector<std::string> hopeless = again;
  hopeless.insert(hopeless.end(), {"--set", "train.learning_rate=1e30", "--set", "train.epochs=9"});
  const Outcome failed = run_ilora(folder, hopeless);
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.err, ::testing::AllOf(HasSubstr("not finite"), HasSubstr("as it was before")));
  EXPECT_EQ(content(), before);
  EXPECT_EQ(adapter_bytes(run), adapters);
  EXPECT_EQ(run_ilora(folder, again).code, 0);
  EXPECT_EQ(results_of(run).at("tasks"), Json({"alpha", "beta"}));
  EXPECT_FALSE(fs::exists(run / "checkpoints/before"));
}

TEST(Continued, RefusesSettingsThatChangeWhatWasLearned) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  ASSERT_EQ(learn_alpha(folder, run).code, 0);
  const std::string config = read_file(RunFolder(run).config());
  for (const char* setting :
       {"lora.alpha=64", "lora.targets=k_proj,v_proj", "eval.split=eval", "eval.split = eval",
        "data.template=chat", "output=other", "method=seq", "eval.measures=exact", "seed=9",
        "data.test_rows=2", "er.policy=ring"}) {
    const Outcome outcome =
        run_ilora(folder, {"train", "--continue", run.string(), "--task",
                           data_folder("tiny-tasks/beta").string(), "--set", setting});
    EXPECT_EQ(outcome.code, 2) << setting << outcome.all();
    const std::string key = setting_key(setting);
    EXPECT_THAT(outcome.err, HasSubstr(key));
    EXPECT_EQ(read_file(RunFolder(run).config()), config) << "nothing was changed";
  }
}

TEST(Continued, ScoresANewTaskWhereNothingIsTrained) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const Settings more = {"data.tasks=alpha", "eval.matrix=trained"};
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(run, "zero-shot", more))).code, 0);
  ASSERT_EQ(run_ilora(folder, {"train", "--continue", run.string(), "--task",
                               data_folder("tiny-tasks/beta").string()})
                .code,
            0);
  const Json results = results_of(run);
  for (const Json& row : results.at("scores")) EXPECT_EQ(row[1], results.at("scores")[0][1]);
  EXPECT_TRUE(results.at("scores")[2][1].is_number());
  EXPECT_TRUE(results.at("metrics").at("average_accuracy").is_number());
}

TEST(Continued, RefusesATaskOfANameThatItHas) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  ASSERT_EQ(learn_alpha(folder, run).code, 0);
  const std::string config = read_file(RunFolder(run).config());
  const Outcome again = run_ilora(folder, {"train", "--continue", run.string(), "--task",
                                           data_folder("tiny-tasks/alpha").string()});
  EXPECT_EQ(again.code, 2);
  EXPECT_THAT(again.err, HasSubstr("named alpha"));
  EXPECT_EQ(read_file(RunFolder(run).config()), config);
}

// The tasks of a run are those that were in the folder when it began.
TEST(Continued, ATaskThatJoinedTheFolderMovesNoOther) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run", tasks = folder / "tasks";
  for (const char* name : {"beta", "gamma"}) copy_task(name, tasks);
  const Settings more = {"train.epochs=1", "data.tasks=", "data.folder=" + tasks.string()};
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(run, "er", more))).code, 0);
  const Json before = results_of(run);
  copy_task("alpha", tasks);
  const Outcome outcome = run_ilora(
      folder, {"train", "--continue", run.string(), "--task", (tasks / "alpha").string()});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json after = results_of(run);
  EXPECT_EQ(after.at("tasks"), Json({"beta", "gamma", "alpha"}));
  for (size_t j = 0; j < 2; ++j) EXPECT_EQ(after.at("scores")[2][j], before.at("scores")[2][j]);

  // A configuration that no longer begins with what was learned is refused.
  std::string config = read_file(RunFolder(run).config());
  const size_t at = config.find("[beta, gamma");
  ASSERT_NE(at, std::string::npos);
  write_file_atomic(RunFolder(run).config(), config.replace(at, 12, "[gamma, beta"));
  const Outcome moved = run_ilora(folder, {"train", "--resume", run.string()});
  EXPECT_EQ(moved.code, 2);
  EXPECT_THAT(moved.err, HasSubstr("data.tasks"));
}

TEST(Continued, NeedsAFinishedRunAndATask) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const Settings more = {"train.epochs=20", "data.tasks=alpha"};
  Child child(folder, train_arguments(tiny_settings(run, "er", more)));
  ASSERT_TRUE(signal_after(child, run, 3, SIGINT)) << "the run was over too soon";
  ASSERT_EQ(child.wait().code, 130);
  const Outcome unfinished = run_ilora(folder, {"train", "--continue", run.string(), "--task",
                                                data_folder("tiny-tasks/beta").string()});
  EXPECT_EQ(unfinished.code, 2);
  EXPECT_THAT(unfinished.err, HasSubstr("--resume " + run.string()));

  ASSERT_EQ(run_ilora(folder, {"train", "--resume", run.string()}).code, 0);
  const Outcome nothing = run_ilora(folder, {"train", "--continue", run.string()});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_THAT(nothing.err, HasSubstr("--task"));
}

}  // namespace
}  // namespace ilora::testing
