// Another program run to its end, and folders that one process holds.
#include "base/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "base/error.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::HasSubstr;

int shell(const std::string& script, const std::filesystem::path& output) {
  return run_process({"/bin/sh", "-c", script}, output);
}

TEST(Process, TellsTheExitCodeOrTheSignalAndAppendsWhatIsPrinted) {
  const TemporaryFolder folder;
  const auto output = folder / "log";
  EXPECT_EQ(shell("echo one; exit 3", output), 3);
  EXPECT_EQ(shell("echo two >&2", output), 0);
  EXPECT_EQ(shell("kill -KILL $$", output), -SIGKILL);
  EXPECT_EQ(read_file(output), "one\ntwo\n");
}

TEST(Process, WithoutAProgramIsAFailureAndWithoutAFolderAnError) {
  const TemporaryFolder folder;
  EXPECT_EQ(run_process({"/nowhere/program"}, folder / "log"), 127);
  EXPECT_THROW(shell("true", folder / "absent/log"), Error);
}

TEST(Process, PassesAnInterruptionOnOnceAndWaits) {
  const TemporaryFolder folder;
  request_interrupt();
  const int code =
      shell("trap 'echo told; exit 7' INT; while :; do sleep 0.01; done", folder / "log");
  clear_interrupt();
  // It may be told before it has set its trap; then the signal ends it.
  if (code != -SIGINT) {
    EXPECT_EQ(code, 7);
    EXPECT_EQ(read_file(folder / "log"), "told\n");
  }
}

TEST(FolderLock, IsHeldByOneAndLetGo) {
  const TemporaryFolder folder;
  {
    const FolderLock first(folder / "grid");
    try {
      const FolderLock second(folder / "grid");
      FAIL() << "two hold it";
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr("in use by another ilora"));
    }
  }
  const FolderLock third(folder / "grid");
}

}  // namespace
}  // namespace ilora
