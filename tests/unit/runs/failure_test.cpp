#include "runs/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runs/schema.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

TEST(Failure, ComesBackAndADamagedOneIsNamed) {
  const TemporaryFolder folder;
  const RunFolder run(folder / "");
  write_run_file(run, Failure{-9, "ended by signal 9"});
  EXPECT_EQ(read_file(run.path(Failure::kFile)),
            "{\n  \"exit\": -9,\n  \"error\": \"ended by signal 9\"\n}\n");
  const auto read = read_run_file<Failure>(run);
  EXPECT_EQ(read.exit, -9);
  EXPECT_EQ(read.error, "ended by signal 9");
  write_file_atomic(run.path(Failure::kFile), "{\"error\": [1]}");
  EXPECT_THAT(message_of([&] { read_run_file<Failure>(run); }),
              testing::HasSubstr("expected \"error\" to be a text, got [1]"));
}

}  // namespace
}  // namespace ilora
