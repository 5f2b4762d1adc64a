// A path that leads to something else than was asked for: the error says what it is, and what to name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SwappedPaths : public ::testing::Test {
 protected:
  std::string failure(const std::vector<std::string>& words) {
    const Outcome outcome = run_ilora(folder_, words);
    EXPECT_EQ(outcome.code, 1) << outcome.all();
    return outcome.err;
  }
  std::string failure_of_training(const Settings& more) {
    return failure(train_arguments(tiny_settings(folder_ / "run", "seq", more)));
  }

  TemporaryFolder folder_;
};

TEST_F(SwappedPaths, ARunIsNoModel) {
  const fs::path run = folder_ / "a-run";
  fs::create_directories(run / "checkpoints");
  EXPECT_THAT(failure({"generate", "--model", run.string(), "hi"}),
              AllOf(HasSubstr("is a run, and no model"), HasSubstr("--run")));
}

TEST_F(SwappedPaths, OneTensorFileIsNoModel) {
  const std::string file = (data_folder("tiny-model") / "model.safetensors").string();
  EXPECT_THAT(failure({"generate", "--model", file, "hi"}),
              AllOf(HasSubstr("one file of a model"), HasSubstr("folder"), Not(HasSubstr("GGUF"))));
}

TEST_F(SwappedPaths, ATaskIsNotTheFolderOfTasks) {
  const fs::path tasks = data_folder("tiny-tasks");
  for (const std::string end : {"", "/"}) {
    EXPECT_THAT(
        failure_of_training({"data.folder=" + (tasks / "alpha").string() + end, "data.tasks="}),
        HasSubstr("a task itself: name the folder that it is in, " + tasks.string() + "."));
  }
}

TEST_F(SwappedPaths, OtherFormatsAreToBeImported) {
  fs::create_directories(folder_ / "tasks/one");
  write_file_atomic(folder_ / "tasks/one/train.jsonl", R"({"prompt":"a","answer":"b"})");
  EXPECT_THAT(failure_of_training({"data.folder=" + (folder_ / "tasks").string(), "data.tasks="}),
              AllOf(HasSubstr("`ilora data import`"), HasSubstr("one/train.jsonl")));
}

TEST_F(SwappedPaths, ANameIsNoOrderToTheTerminal) {
  EXPECT_THAT(failure({"report", "no\x1b[31mrun"}),
              AllOf(HasSubstr("no\\x1b[31mrun"), Not(HasSubstr("\x1b"))));
}

}  // namespace
}  // namespace ilora::testing
