// Files of a run that are no checkpoint: a digit that is another one is noticed, by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DamagedFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(run({"train"}, tiny_settings(run_, "seq", {"train.epochs=1", "data.tasks=alpha"})),
              0);
  }
  int run(std::vector<std::string> words, const Settings& settings = {}) {
    if (!settings.empty()) words = train_arguments(settings);
    outcome_ = run_ilora(folder_, words);
    return outcome_.code;
  }
  // The first `from` of a file becomes `to`.
  void change(const fs::path& file, const std::string& from, const std::string& to) {
    std::string text = read_file(file);
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << file;
    write_file_atomic(file, text.replace(at, from.size(), to));
  }

  TemporaryFolder folder_;
  fs::path run_ = folder_ / "run";
  Outcome outcome_;
};

TEST_F(DamagedFiles, ADigitOfAScoreOrALossIsNoticed) {
  struct Case {
    const char *file, *from, *to;
    std::vector<std::string> words;
  };
  const std::string gamma = data_folder("tiny-tasks") / "gamma";
  for (const auto& [file, from, to, words] : {
           Case{"results.json", "\"scores\": [", "\"scores\": [ [0.5],", {"report", run_}},
           {"results.json", "\"train_tokens\": ", "\"train_tokens\": 1", {"report", run_}},
           {"metrics.jsonl", "\"loss\":", "\"loss\":1", {"report", run_}},
           {"rows.jsonl",
            "\"after\":1",
            "\"after\":0",
            {"train", "--continue", run_, "--task", gamma}},
       }) {
    const std::string whole = read_file(run_ / file);
    change(run_ / file, from, to);
    EXPECT_EQ(run(words), 1) << outcome_.all();
    EXPECT_THAT(outcome_.err, AllOf(HasSubstr(file), HasSubstr("expected what was written")));
    write_file_atomic(run_ / file, whole);
  }
  EXPECT_EQ(run({"report", run_}), 0) << outcome_.all();
}

TEST_F(DamagedFiles, AnOptionOfConfigIsSaidByWhoUsesTheRun) {
  change(run_ / "config.yaml", "alpha: 8", "alpha: 9");
  EXPECT_EQ(run({"generate", "--run", run_, "--max-new-tokens", "1", "owl"}), 0) << outcome_.all();
  EXPECT_THAT(outcome_.err, HasSubstr("lora.alpha was 8"));
}

TEST_F(DamagedFiles, AnEarlierTasksAdapterIsSaidWhenTheRunGoesOn) {
  change(RunFolder(run_).adapter(1, "fast") / "adapter_config.json", "\"r\": 4", "\"r\": 5");
  EXPECT_EQ(run({"train", "--continue", run_, "--task", data_folder("tiny-tasks") / "beta"}), 0)
      << outcome_.all();
  EXPECT_THAT(outcome_.err, AllOf(HasSubstr("task-01/adapter"), HasSubstr("leaves it as it is")));
}

// Each of them is whole in itself.
TEST_F(DamagedFiles, LostRowsAndAnotherRunsAdapterAreSaid) {
  const std::string rows = read_file(run_ / "rows.jsonl");
  write_file_atomic(run_ / "rows.jsonl", "");
  EXPECT_EQ(run({"report", run_}), 0) << outcome_.all();
  EXPECT_THAT(outcome_.err, HasSubstr("rows.jsonl is not as this run wrote it"));
  write_file_atomic(run_ / "rows.jsonl", rows);
  EXPECT_EQ(run({"report", run_}), 0);
  EXPECT_THAT(outcome_.err, Not(HasSubstr("is not as"))) << outcome_.err;

  const fs::path other = folder_ / "other";
  ASSERT_EQ(
      run({"train"}, tiny_settings(other, "seq", {"train.epochs=1", "data.tasks=alpha", "seed=9"})),
      0);
  const fs::path own = RunFolder(run_).adapter(1, "fast");
  fs::copy(RunFolder(other).adapter(1, "fast"), own,
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"generate", "--run", run_, "--max-new-tokens", "1", "owl"},
        {"report", run_},
        {"train", "--continue", run_, "--task", data_folder("tiny-tasks") / "beta"}}) {
    EXPECT_EQ(run(words), 0) << outcome_.all();
    EXPECT_THAT(outcome_.err, HasSubstr("task-01/adapter/adapter_model.safetensors is not as"))
        << words[0];
  }
}

// As of an earlier version.
TEST_F(DamagedFiles, WhatHasNoHashIsRead) {
  Json results = read_json(run_ / "results.json");
  results.erase("hash");
  write_json(run_ / "results.json", results);
  std::string lines;
  for (Json event : events(run_, "")) lines += json_text(event, -1) + "\n";  // without its hash
  write_file_atomic(run_ / "metrics.jsonl", lines);
  EXPECT_EQ(run({"report", run_}), 0) << outcome_.all();
}

}  // namespace
}  // namespace ilora::testing
