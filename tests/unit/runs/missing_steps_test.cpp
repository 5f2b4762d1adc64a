#include "runs/missing_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "runs/metrics.h"
#include "runs/results.h"
#include "runs/schema.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::HasSubstr;

class MissingSteps : public ::testing::Test {
 protected:
  void finish(const std::string& status) const {
    Results results;
    results.status = status;
    results.tasks = {"a", "b"};
    write_run_file(run_, results);
  }
  void log(const std::string& task) const {
    StepEvent step;
    step.step = 1;
    step.task = task;
    append_run_line(run_, step);
    append_run_line(run_, TaskEndEvent{task, 0, 1});
  }
  std::string text() const { return read_file(run_.path(kMetricsFile)); }

  TemporaryFolder folder_;
  RunFolder run_{folder_.path()};
};

TEST_F(MissingSteps, OfAFinishedRunAreNamed) {
  finish("finished");
  EXPECT_EQ(missing_steps(run_), "") << "no log: a run that was published";
  log("a");
  EXPECT_THAT(missing_steps(run_), HasSubstr("ends before b was learned"));
  log("b");
  EXPECT_EQ(missing_steps(run_), "");
  write_file_atomic(run_.path(kMetricsFile), text().substr(0, text().size() - 1));
  EXPECT_NE(missing_steps(run_), "");
}

TEST_F(MissingSteps, OfAnotherRunAreExpected) {
  finish("running");
  log("a");
  EXPECT_EQ(missing_steps(run_), "");
}

}  // namespace
}  // namespace ilora
