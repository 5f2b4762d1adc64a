// Another program run to its end, and folders that one process holds.
#include "base/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

int shell(const std::string& script, const std::filesystem::path& output) {
  return Process({"/bin/sh", "-c", script}, output).wait();
}

void wait_for_output(const std::filesystem::path& log) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (read_file(log).empty() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(1ms);
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
  EXPECT_EQ(Process({"/nowhere/program"}, folder / "log").wait(), 127);
  EXPECT_THROW(shell("true", folder / "absent/log"), Error);
}

TEST(Process, RunsBesideThisOneUntilItIsInterrupted) {
  const TemporaryFolder folder;
  const std::string script = "trap 'echo told; exit 7' INT; echo set; while :; do sleep 0.01; done";
  Process process({"/bin/sh", "-c", script}, folder / "log");
  EXPECT_EQ(process.exit_code(), std::nullopt);
  wait_for_output(folder / "log");
  process.interrupt();
  EXPECT_EQ(process.wait(), 7);
  EXPECT_EQ(process.exit_code(), 7);
  EXPECT_EQ(read_file(folder / "log"), "set\ntold\n");
}

TEST(Process, ThatIsLetGoIsInterrupted) {
  const TemporaryFolder folder;
  {
    const Process process(
        {"/bin/sh", "-c", "trap 'echo told; exit 7' INT; echo set; while :; do sleep 0.01; done"},
        folder / "log");
    wait_for_output(folder / "log");
  }
  EXPECT_EQ(read_file(folder / "log"), "set\ntold\n");
}

TEST(Process, HasThisOnesEnvironmentWithChanges) {
  const TemporaryFolder folder;
  ::setenv("ILORA_TEST_A", "1", 1);
  ::setenv("ILORA_TEST_AB", "2", 1);
  Process({"/bin/sh", "-c", "echo $ILORA_TEST_A $ILORA_TEST_AB $ILORA_TEST_C"}, folder / "log",
          {"ILORA_TEST_A=3", "ILORA_TEST_C=4"})
      .wait();
  EXPECT_EQ(read_file(folder / "log"), "3 2 4\n");
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
