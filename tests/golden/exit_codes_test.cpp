// The table of exit codes in docs/reliability.md: the same code for the same kind, whatever the command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/exit_code.h"
#include "base/process.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

using Words = std::vector<std::string>;

class ExitCodes : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(run_ilora(folder_, train_arguments(tiny_settings(
                                     run_, "er", {"train.epochs=1", "data.tasks=alpha"})))
                  .code,
              kExitDone);
  }
  void expect(int code, const Words& words, const ChildOptions& options = {}) {
    const Outcome outcome = run_ilora(folder_, words, options);
    EXPECT_EQ(outcome.code, code) << ::testing::PrintToString(words) << outcome.all();
    EXPECT_EQ(outcome.signal, 0);
    if (code != kExitDone) {
      EXPECT_THAT(outcome.err, HasSubstr("error: ")) << ::testing::PrintToString(words);
    }
  }

  TemporaryFolder folder_;
  fs::path run_ = folder_ / "run";
  std::string model_ = data_folder("tiny-model").string();
  std::string tasks_ = data_folder("tiny-tasks").string();
};

TEST_F(ExitCodes, ZeroIsDone) {
  for (const Words& words : {Words{"--help"},
                             {"--version"},
                             {"methods"},
                             {"train", "--options"},
                             {"report", run_, "--out", folder_ / "page.html"},
                             {"memory", "list", run_}})
    expect(kExitDone, words);
}

TEST_F(ExitCodes, TwoIsAWrongCommandLineOrConfiguration) {
  write_file_atomic(folder_ / "c.yaml", "metod: seq\n");
  for (const Words& words : {Words{},
                             {"nonsense"},
                             {"train"},
                             {"train", "--nonsense"},
                             {"train", folder_ / "c.yaml"},
                             {"train", "--set", "train.epochs=x", "--set", "output=x"},
                             {"train", "--resume", run_, "--set", "train.epochs=9"},
                             {"generate", "hello"},
                             {"generate", "--model", model_},
                             {"eval", run_, "--learner", "none", "--data", tasks_},
                             {"memory", "purge", run_},
                             {"memory", "show", run_, "--task", "none"},
                             {"compare"}})
    expect(kExitUsage, words);
}

TEST_F(ExitCodes, OneIsAFileOrItsContent) {
  write_file_atomic(folder_ / "bad.gguf", "GGUF and no more");
  for (const Words& words : {Words{"train", "--resume", folder_ / "nowhere"},
                             {"train", folder_ / "nowhere.yaml"},
                             {"generate", "--model", folder_ / "nowhere", "hello"},
                             {"generate", "--model", folder_ / "bad.gguf", "hello"},
                             {"report", folder_ / "nowhere"},
                             {"data", "check", folder_ / "nowhere"},
                             {"memory", "list", folder_ / "nowhere"}})
    expect(kExitFailed, words);
}

TEST_F(ExitCodes, ThreeIsAFolderInUse) {
  const FolderLock lock(run_);
  expect(kExitInUse, {"train", "--resume", run_});
  expect(kExitInUse, {"train", "--continue", run_, "--task", tasks_ + "/beta"});
  expect(kExitInUse, {"memory", "purge", run_, "--all"});
}

}  // namespace
}  // namespace ilora::testing
