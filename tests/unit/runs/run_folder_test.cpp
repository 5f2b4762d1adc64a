#include "runs/run_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RunFolder, FindsTheAdaptersThatWereSaved) {
  const TemporaryFolder folder;
  const RunFolder run(folder / "run");
  EXPECT_EQ(run.last_task(), 0);
  make_folder(run.path() / "checkpoints/task-02/adapter");
  make_folder(run.path() / "checkpoints/task-02/adapter-slow");
  make_folder(run.path() / "checkpoints/task-11");  // nothing in it yet
  EXPECT_EQ(run.last_task(), 2) << "not every task has a folder";
  EXPECT_THAT(run.learners(2), ElementsAre("fast", "slow"));
  EXPECT_EQ(run.adapter(11, "fast"), run.path() / "checkpoints/task-11/adapter");
  EXPECT_EQ(run.saved_adapter(2, "slow"), run.path() / "checkpoints/task-02/adapter-slow");
  EXPECT_THAT(message_of([&] { run.saved_adapter(2, "base"); }),
              AllOf(HasSubstr("no learner 'base' after task 2"), HasSubstr("are: fast, slow")));
}

TEST(RunFolder, IsOneWhereItHasAConfiguration) {
  const TemporaryFolder folder;
  make_folder(folder / "run");
  EXPECT_THAT(message_of([&] { open_run(folder / "run"); }), HasSubstr("no config.yaml"));
  write_file_atomic(folder / "run/config.yaml", "method: seq\n");
  EXPECT_TRUE(open_run(folder / "run").exists());
}

TEST(RunFolder, NamesWhatTrainingRewritesAndWhatIsKept) {
  const RunFolder run("r");
  EXPECT_THAT(run.rewritten_files(),
              ElementsAre("r/checkpoints/last/state.safetensors",
                          "r/checkpoints/last/state-before.safetensors", "r/rows.jsonl",
                          "r/config.yaml", "r/results.json"));
  EXPECT_THAT(kept_files(),
              ElementsAre("config.yaml", "results.json", "rows.jsonl", "failed.json"));
}

}  // namespace
}  // namespace ilora
