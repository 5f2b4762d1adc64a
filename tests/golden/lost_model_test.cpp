// A model file that is cut short while a run reads from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/exit_code.h"
#include "base/mapped_fault.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(MappedFault, FindsTheFileOfAnAddress) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "x", "abc");
  const std::byte* address = nullptr;
  {
    const MappedFile file(folder / "x");
    address = file.bytes().data();
    EXPECT_EQ(mapped_file_at(address + 2), (folder / "x").string());
    EXPECT_EQ(mapped_file_at(address + 3), nullptr);
  }
  EXPECT_EQ(mapped_file_at(address), nullptr);
}

TEST(LostModel, EndsTheRunByNameAndTheRunGoesOnOnceItIsBack) {
  const TemporaryFolder folder;
  fs::copy(data_folder("tiny-model"), folder / "model");
  const fs::path weights = folder / "model" / "model.safetensors", run = folder / "run";
  const std::string bytes = read_file(weights);
  const Settings settings =
      tiny_settings(run, "er",
                    {"model.path=" + (folder / "model").string(), "model.weights=stored",
                     "train.epochs=200", "checkpoint.every=1"});
  Child child(folder, train_arguments(settings));
  while (child.running() && count_steps(run) < 3)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_TRUE(child.running()) << child.wait().err;
  fs::resize_file(weights, 0);
  const Outcome outcome = child.wait();
  EXPECT_EQ(outcome.signal, 0);
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(weights.string()), HasSubstr("was cut short"),
                                 HasSubstr("--resume")));
  write_file_atomic(weights, bytes);
  Child again(folder, {"train", "--resume", run});
  const int64_t before = count_steps(run);
  while (again.running() && count_steps(run) < before + 3)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(again.running()) << again.wait().err;
}

}  // namespace
}  // namespace ilora::testing
