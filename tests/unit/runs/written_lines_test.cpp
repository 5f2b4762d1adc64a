#include "runs/written_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "runs/metrics.h"
#include "runs/rows.h"
#include "runs/sealed_files.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class WrittenLinesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    step(1);
    step(2);
    score("a", 1);
    score("b", 2);
    written_ = lines_written(run_);
  }
  void step(int64_t number) const {
    StepEvent event;
    event.step = number;
    append_sealed(run_, event);
  }
  void score(const std::string& task, int64_t after) const {
    ScoredRows rows;
    rows.task = task;
    rows.after = after;
    rows.scores = {1, 0};
    append_sealed(run_, rows);
  }
  std::string text(const char* name) const { return read_file(run_.path(name)); }
  void write(const char* name, const std::string& text) const {
    write_file_atomic(run_.path(name), text);
  }
  std::vector<std::string> changed(int64_t learned = 2) const {
    return lines_changed(run_, written_, learned);
  }

  TemporaryFolder folder_;
  RunFolder run_{folder_.path()};
  WrittenLines written_;
};

TEST_F(WrittenLinesTest, WhatCameAfterTheCheckpointIsExpected) {
  EXPECT_THAT(changed(), IsEmpty());
  step(3);
  score("c", 3);
  EXPECT_THAT(changed(), IsEmpty());
}

TEST_F(WrittenLinesTest, ChangedAndMissingStepsAreNamed) {
  const std::string log = text(kMetricsFile);
  std::string other = log;
  other[log.find("\"step\":1") + 7] = '7';
  write(kMetricsFile, other);
  EXPECT_THAT(changed(), ElementsAre(HasSubstr("metrics.jsonl is not as the checkpoint knows it")));
  write(kMetricsFile, log.substr(0, log.size() / 2));
  EXPECT_THAT(changed(), ElementsAre(HasSubstr("steps are missing")));
}

TEST_F(WrittenLinesTest, LostRowsAreNamed) {
  const std::string rows = text(ScoredRows::kFile);
  write(ScoredRows::kFile, rows.substr(0, rows.find('\n') + 1));
  EXPECT_THAT(changed(), ElementsAre(HasSubstr("rows.jsonl is not as the checkpoint knows it")));
  EXPECT_TRUE(std::filesystem::remove(run_.path(ScoredRows::kFile)));
  EXPECT_THAT(changed(), ElementsAre(HasSubstr("rows.jsonl")));
}

TEST_F(WrittenLinesTest, OfAnEarlierVersionTheLengthAloneIsKnown) {
  written_.metrics_hash = written_.rows_hash = "";
  write(kMetricsFile, text(kMetricsFile) + "more");
  write(ScoredRows::kFile, "");
  EXPECT_THAT(changed(), IsEmpty());
}

}  // namespace
}  // namespace ilora
