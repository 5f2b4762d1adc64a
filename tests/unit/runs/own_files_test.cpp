#include "runs/own_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "runs/metrics.h"
#include "runs/missing_steps.h"
#include "runs/rows.h"
#include "runs/sealed_files.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A safetensors file as far as it matters here: a header, then values.
std::string tensors(const std::string& header, const std::string& values) {
  std::string text(8, '\0');
  text[0] = static_cast<char>(header.size());
  return text + header + values;
}

class OwnFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_file_atomic(rows_, "{\"task\":\"a\"}\n{\"task\":\"b\"}\n");
    write_file_atomic(metrics_, "{\"event\":\"step\"}\n");
    make_folder(adapter_);
    write_file_atomic(values_, tensors(R"({"hash":"1"})", "1234"));
    OwnFiles files(run_);
    files.record_lines();
    files.record_adapter(adapter_);
    results_.files = files.list();
    finish("finished");
  }
  void finish(const std::string& status) {
    results_.status = status;
    results_.tasks = {"a"};
    write_sealed(run_, results_);
  }

  TemporaryFolder folder_;
  RunFolder run_{folder_.path()};
  Results results_;
  std::filesystem::path rows_ = run_.path(ScoredRows::kFile), metrics_ = run_.path(kMetricsFile),
                        adapter_ = run_.adapter(1, "fast"),
                        values_ = adapter_ / "adapter_model.safetensors";
};

TEST_F(OwnFilesTest, AreQuietAsTheyWereWritten) {
  EXPECT_THAT(files_of_others(run_), IsEmpty());
  EXPECT_EQ(OwnFiles(run_).list().size(), 3u) << "what is known is kept when the run goes on";
}

TEST_F(OwnFilesTest, LinesThatAreGoneAreNoticed) {
  write_file_atomic(rows_, "{\"task\":\"a\"}\n");
  EXPECT_THAT(files_of_others(run_), ElementsAre(HasSubstr("rows.jsonl is not as this run")));
  finish("running");
  EXPECT_THAT(files_of_others(run_), IsEmpty()) << "they are written before results.json";
  std::filesystem::remove(rows_);
  finish("finished");
  EXPECT_THAT(files_of_others(run_), IsEmpty()) << "a run without them has scores and no intervals";
}

TEST_F(OwnFilesTest, AnAdapterOfAnotherRunIsNoticed) {
  write_file_atomic(values_, tensors(R"({"hash":"2"})", "1234"));
  EXPECT_THAT(files_of_others(run_), ElementsAre(HasSubstr("task-01/adapter/")));
  // What its header says of the values is checked by who loads it (model/peft.h).
  write_file_atomic(values_, tensors(R"({"hash":"1"})", "1235"));
  EXPECT_THAT(files_of_others(run_), IsEmpty());
  write_file_atomic(values_, "none");
  EXPECT_THAT(files_of_others(run_), ElementsAre(HasSubstr("task-01/adapter/")));
}

TEST_F(OwnFilesTest, AnAdapterThatTheRunDoesNotKnowIsNoticed) {
  make_folder(run_.adapter(2, "fast"));
  write_file_atomic(run_.adapter(2, "fast") / "adapter_model.safetensors", tensors("{}", ""));
  EXPECT_THAT(files_of_others(run_), ElementsAre(HasSubstr("task-02/adapter/")));
  finish("running");
  EXPECT_THAT(files_of_others(run_), IsEmpty()) << "it may just be written";
}

TEST_F(OwnFilesTest, AReWrittenFileTakesTheOldOnesPlace) {
  write_file_atomic(rows_, "{}\n");
  OwnFiles files(run_);
  files.record_lines();
  results_.files = files.list();
  finish("finished");
  EXPECT_EQ(results_.files.size(), 3u);
  EXPECT_THAT(files_of_others(run_), IsEmpty());
}

TEST_F(OwnFilesTest, StepsOfAnotherRunAreNoticed) {
  EXPECT_TRUE(begins_as_recorded(run_, results_, kMetricsFile));
  append_line(metrics_, "{\"event\":\"eval\"}");
  EXPECT_TRUE(begins_as_recorded(run_, results_, kMetricsFile)) << "a continuation has begun";
  write_file_atomic(metrics_, "{\"event\":\"stop\"}\n");
  EXPECT_FALSE(begins_as_recorded(run_, results_, kMetricsFile));
  EXPECT_THAT(missing_steps(run_), HasSubstr("metrics.jsonl is not as this run"));
}

TEST_F(OwnFilesTest, OfAnEarlierVersionAreTakenAsTheyAre) {
  results_.files.clear();
  finish("finished");
  write_file_atomic(rows_, "");
  EXPECT_THAT(files_of_others(run_), IsEmpty());
  EXPECT_TRUE(begins_as_recorded(run_, results_, kMetricsFile));
}

}  // namespace
}  // namespace ilora
