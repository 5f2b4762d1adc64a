// Exact unlearning: a run without some rows ends in the bits of a run whose files never had them, however often it was killed
// on the way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "base/json.h"
#include "data/task.h"
#include "session/unlearn.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

class Forget : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    fs::create_directories(tasks_);
    fs::create_directories(without_);
    for (const char* task : {"alpha", "beta", "gamma"}) {
      fs::copy(fs::path(data_folder("tiny-tasks")) / task, tasks_ / task,
               fs::copy_options::recursive);
      TaskText left = read_task(tasks_ / task);
      std::erase_if(left.train, [&](const Example& row) {
        return left.name == "alpha" && (row.row == 3 || row.row == 5);
      });
      fs::copy(tasks_ / task, without_ / task, fs::copy_options::recursive);
      write_task(without_ / task, left);
    }
    text_ = read_task(tasks_ / "alpha").train[3].prompt;
    learn(run_, tasks_);
  }
  // Two tasks, then a third with other settings.
  void learn(const fs::path& run, const fs::path& tasks) {
    Settings settings =
        tiny_settings(run, GetParam(),
                      {"train.epochs=2", "data.tasks=alpha,beta", "data.folder=" + tasks.string()});
    ASSERT_EQ(run_ilora(folder_, train_arguments(settings)).code, 0);
    const Outcome more =
        run_ilora(folder_, {"train", "--continue", run.string(), "--task",
                            (tasks / "gamma").string(), "--set", "train.epochs=3"});
    ASSERT_EQ(more.code, 0) << more.all();
  }
  std::vector<std::string> words() const {
    return {"forget", run_.string(), "--task", "alpha", "--row", "3", "--row", "5"};
  }
  void expect_without() {
    const fs::path other = folder_ / "other";
    learn(other, without_);
    EXPECT_EQ(adapter_bytes(run_), adapter_bytes(other));
    EXPECT_EQ(read_file(run_ / "rows.jsonl"), read_file(other / "rows.jsonl"));
    EXPECT_EQ(files_with(text_), std::vector<std::string>()) << text_;
    for (const char* end : {".before-forgetting", ".without"})
      EXPECT_FALSE(fs::exists(run_.string() + end));
    EXPECT_FALSE(fs::exists(run_ / "forgetting.json"));
    const Outcome verified = run_ilora(folder_, {"forget", run_.string(), "--verify"});
    EXPECT_EQ(verified.code, 0) << verified.all();
  }
  std::vector<std::string> files_with(const std::string& text) const {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(run_))
      if (entry.is_regular_file() && read_file(entry.path()).find(text) != std::string::npos)
        found.push_back(entry.path().string());
    return found;
  }

  TemporaryFolder folder_;
  fs::path tasks_ = folder_ / "tasks", without_ = folder_ / "without", run_ = folder_ / "run";
  std::string text_;
};

TEST_P(Forget, EndsInTheBitsOfARunThatNeverHadTheRows) {
  const Outcome outcome = run_ilora(folder_, words());
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  expect_without();
  const Json receipt = parse_json(read_file(run_ / "forgotten.jsonl"), "receipt");
  EXPECT_EQ(receipt["rows"].size(), 2U);
  EXPECT_NE(receipt["before"], receipt["after"]);
  EXPECT_EQ(receipt["before"].size(), receipt["after"].size());
  // It goes on as any run, and the receipt still holds.
  fs::copy(tasks_ / "beta", folder_ / "delta", fs::copy_options::recursive);
  EXPECT_EQ(run_ilora(folder_, {"train", "--continue", run_.string(), "--task",
                                (folder_ / "delta").string()})
                .code,
            0);
  EXPECT_EQ(run_ilora(folder_, {"forget", run_.string(), "--verify"}).code, 0);
  const fs::path adapter = RunFolder(run_).adapter(1, "fast") / "adapter_model.safetensors";
  std::string bytes = read_file(adapter);
  bytes.back() ^= 1;
  write_file_atomic(adapter, bytes);
  const Outcome other = run_ilora(folder_, {"forget", run_.string(), "--verify"});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("is another than the receipt's"));
}

TEST_P(Forget, GoesOnWhereItWasKilled) {
  for (int wait = 2;; wait += wait / 4 + 3) {
    Child child(folder_, words());
    std::this_thread::sleep_for(std::chrono::milliseconds(wait));
    child.send(SIGKILL);
    if (child.wait().code == 0) break;
    ASSERT_LT(wait, 2000);
  }
  if (!fs::exists(run_ / "forgotten.jsonl") || fs::exists(run_ / "forgetting.json")) {
    const Outcome last = run_ilora(folder_, {"forget", run_.string()});
    ASSERT_EQ(last.code, 0) << last.all();
  }
  expect_without();
}

INSTANTIATE_TEST_SUITE_P(Methods, Forget, ::testing::Values("ilora", "ewc", "gem"));

class ForgetRefuses : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(run_ilora(folder_, train_arguments(tiny_settings(
                                     run_, "seq", {"train.epochs=1", "data.tasks=alpha"})))
                  .code,
              0);
  }
  void expect_refused(std::vector<std::string> words, const std::string& said, int code = 2) {
    words.insert(words.begin(), {"forget", run_.string()});
    const auto before = adapter_bytes(run_);
    const Outcome outcome = run_ilora(folder_, words);
    EXPECT_EQ(outcome.code, code) << outcome.all();
    EXPECT_THAT(outcome.err, HasSubstr(said));
    EXPECT_EQ(adapter_bytes(run_), before);
    EXPECT_FALSE(fs::exists(run_.string() + ".without"));
  }
  TemporaryFolder folder_;
  fs::path run_ = folder_ / "run";
};

TEST_F(ForgetRefuses, WhatNamesNoRowOrAll) {
  expect_refused({}, "no row is named");
  expect_refused({"--row", "1"}, "needs the task");
  expect_refused({"--task", "alpha"}, "nothing would be left");
  expect_refused({"--task", "alpha", "--row", "999"}, "no row of the tasks");
  expect_refused({"--containing", "nobody wrote this"}, "no row of the tasks");
  expect_refused({"--containing", ""}, "no row is named");
  expect_refused({"--verify"}, "has no receipt");
}

}  // namespace
}  // namespace ilora::testing
