// A checkpoint that was damaged on the disk is noticed, and the one before it used: the run ends in
// the bits of one that nothing disturbed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <random>
#include <thread>

#include "formats/safetensors.h"
#include "runs/metrics.h"
#include "runs/rows.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DamagedState : public ::testing::Test {
 protected:
  // A run that was stopped when it had two checkpoints; `whole_` is the same one undisturbed.
  void SetUp() override {
    const Settings settings = {"train.epochs=20", "data.tasks=alpha,beta", "checkpoint.every=5"};
    ASSERT_EQ(run_ilora(folder_, train_arguments(tiny_settings(whole_, "ilora", settings))).code,
              0);
    Child child(folder_, train_arguments(tiny_settings(run_, "ilora", settings)));
    while (child.running() && !fs::exists(RunFolder(run_).earlier_state()))
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    child.send(SIGINT);
    ASSERT_EQ(child.wait().code, 130);
    state_ = read_file(RunFolder(run_).state());
    copy_run(run_, kept_);
  }
  static void copy_run(const fs::path& from, const fs::path& to) {
    fs::remove_all(to);
    fs::copy(from, to, fs::copy_options::recursive);
  }
  // Resumes with `state` as the checkpoint.
  Outcome resume_with(const std::string& state) {
    copy_run(kept_, run_);
    write_file_atomic(RunFolder(run_).state(), state);
    return run_ilora(folder_, {"train", "--resume", run_.string()});
  }
  void expect_noticed(const std::string& state, const std::string& what) {
    const Outcome outcome = resume_with(state);
    ASSERT_EQ(outcome.code, 0) << what << outcome.all();
    EXPECT_THAT(outcome.err, HasSubstr("going on from the checkpoint before it")) << what;
    EXPECT_EQ(adapter_bytes(run_), adapter_bytes(whole_)) << what;
    EXPECT_EQ(read_file(RunFolder(run_).path(ScoredRows::kFile)),
              read_file(RunFolder(whole_).path(ScoredRows::kFile)))
        << what;
  }

  TemporaryFolder folder_;
  fs::path whole_ = folder_ / "whole", run_ = folder_ / "run", kept_ = folder_ / "kept";
  std::string state_;
};

TEST_F(DamagedState, OneFlippedBitIsNoticed) {
  std::mt19937 random(1);
  for (int i = 0; i < 20; ++i) {
    std::string state = state_;
    const size_t at = random() % state.size();
    state[at] = static_cast<char>(state[at] ^ (1 << (random() % 8)));
    if (state == state_) continue;
    expect_noticed(state, fmt::format("byte {}", at));
  }
}

TEST_F(DamagedState, ATornOrEmptyFileIsNoticed) {
  expect_noticed(state_.substr(0, state_.size() / 2), "half");
  expect_noticed(state_.substr(0, state_.size() - 1), "all but a byte");
  expect_noticed("", "nothing");
  expect_noticed(std::string(state_.size(), '\0'), "zeros");
}

TEST_F(DamagedState, LinesThatAreNotAsItKnowsThemAreSaid) {
  EXPECT_THAT(resume_with(state_).err, Not(HasSubstr("not as the checkpoint knows it")));
  for (const char* file : {kMetricsFile, ScoredRows::kFile}) {
    copy_run(kept_, run_);
    const std::string lines = read_file(run_ / file);
    std::string other = lines;
    other[lines.find("\"hash\"") + 9] ^= 1;
    if (file == kMetricsFile) write_file_atomic(run_ / file, other);
    if (file != kMetricsFile) write_file_atomic(run_ / file, lines.substr(0, lines.find('\n') + 1));
    const Outcome outcome = run_ilora(folder_, {"train", "--resume", run_.string()});
    EXPECT_EQ(outcome.code, 0) << outcome.all();
    EXPECT_THAT(outcome.err, HasSubstr(std::string(file) + " is not as the checkpoint knows it"));
  }
}

// Well-formed, and not what a run can have written. No hash: it is as of an earlier version.
TEST_F(DamagedState, WhatCannotBeIsRefusedByName) {
  struct Case {
    const char* pointer;
    Json value;
    const char* said;
  };
  for (const auto& [pointer, value, said] : {
           Case{"/position.task", -1, "a position in 2 tasks, got task -1"},
           {"/position.task", 99, "a position in 2 tasks, got task 99"},
           {"/position.task_step", -1, "step -1"},
           {"/position.task_step", 1'000'000, "step 1000000"},
           {"/position.step", 0.5, "position.step"},
           {"/rows_scored", 50, "a position"},
           {"/lines/metrics_bytes", "x", "metrics_bytes"},
           {"/lines/metrics_bytes", -1, "metrics_bytes"},
           {"/learners", 3, "learners"},
           {"/method", Json::array(), "method"},
           {"/scores/measures", Json::array(), "a measure for each task"},
           {"/scores/learners/fast", Json::array(), "a score for each task"},
       }) {
    const fs::path path = folder_ / "edited.safetensors";
    write_file_atomic(path, state_);
    {
      const SafetensorsFile file(path);
      Json numbers = parse_json(file.text("ilora.state"), "state");
      numbers.at(Json::json_pointer(pointer)) = value;
      write_safetensors(path, file.tensors(), {{"ilora.state", numbers.dump()}});
    }
    const Outcome outcome = resume_with(read_file(path));
    EXPECT_EQ(outcome.code, 1) << pointer << outcome.all();
    EXPECT_EQ(outcome.signal, 0) << pointer;
    EXPECT_THAT(outcome.err, HasSubstr(said)) << pointer;
  }
}

TEST_F(DamagedState, IfItIsGoneTheOneBeforeIsUsed) {
  copy_run(kept_, run_);
  fs::remove(RunFolder(run_).state());
  const Outcome outcome = run_ilora(folder_, {"train", "--resume", run_.string()});
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_EQ(adapter_bytes(run_), adapter_bytes(whole_));
}

// The one that served stays until there is another whole one, and beside that.
TEST_F(DamagedState, ADamagedOneIsNotKeptAsTheOneBefore) {
  copy_run(kept_, run_);
  write_file_atomic(RunFolder(run_).state(), "x");
  Child child(folder_, {"train", "--resume", run_.string()});
  while (child.running() && read_file(RunFolder(run_).state()) == "x")
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  child.send(SIGKILL);
  child.wait();
  const std::string beside = read_file(RunFolder(run_).earlier_state());
  EXPECT_NE(beside, "x");
  write_file_atomic(RunFolder(run_).state(), "x");
  const Outcome outcome = run_ilora(folder_, {"train", "--resume", run_.string()});
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_EQ(adapter_bytes(run_), adapter_bytes(whole_));
}

TEST_F(DamagedState, IfBothAreDamagedTheRunStaysAsItIs) {
  copy_run(kept_, run_);
  write_file_atomic(RunFolder(run_).state(), "x");
  write_file_atomic(RunFolder(run_).earlier_state(), "y");
  const std::string metrics = read_file(RunFolder(run_).path(kMetricsFile));
  const Outcome outcome = run_ilora(folder_, {"train", "--resume", run_.string()});
  EXPECT_EQ(outcome.code, 1) << outcome.all();
  EXPECT_THAT(outcome.err, HasSubstr("state-before.safetensors"));
  EXPECT_EQ(read_file(RunFolder(run_).path(kMetricsFile)), metrics);
}

}  // namespace
}  // namespace ilora::testing
