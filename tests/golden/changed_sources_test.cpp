// A run knows what it was made from: it does not go on with another model, other rows or an edited
// configuration, unless that is accepted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A run with a model and tasks of its own, stopped in its first task.
class ChangedSources : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::copy(data_folder("tiny-model"), folder_ / "model");
    fs::create_directories(folder_ / "tasks");
    for (const char* task : {"alpha", "beta", "gamma"})
      fs::copy(data_folder("tiny-tasks") / task, folder_ / "tasks" / task);
  }
  std::vector<std::string> begin(const Settings& more) const {
    Settings settings = {"model.path=" + (folder_ / "model").string(),
                         "data.folder=" + (folder_ / "tasks").string()};
    settings.insert(settings.end(), more.begin(), more.end());
    return train_arguments(tiny_settings(run_, "er", settings));
  }
  void stop_early() {
    Child child(folder_, begin({"train.epochs=40", "data.tasks=alpha,beta", "checkpoint.every=1"}));
    while (child.running() && !fs::exists(RunFolder(run_).state()))
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    child.send(SIGINT);
    ASSERT_EQ(child.wait().code, 130);
  }
  Outcome resume(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"train", "--resume", run_.string()});
    return run_ilora(folder_, more);
  }
  void expect_refused(const std::string& what) {
    const std::string metrics = read_file(RunFolder(run_).path(kMetricsFile));
    const Outcome outcome = resume();
    EXPECT_EQ(outcome.code, 1) << outcome.all();
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(what), HasSubstr("--accept-changes")));
    EXPECT_EQ(read_file(RunFolder(run_).path(kMetricsFile)), metrics) << "nothing was done";
  }
  static void change_rows(const fs::path& file) {
    Json rows = read_json(file);
    rows[0]["answer"] = "something else";
    write_json(file, rows);
  }

  TemporaryFolder folder_;
  fs::path run_ = folder_ / "run";
};

TEST_F(ChangedSources, OtherTrainRowsAreRefusedByName) {
  stop_early();
  for (const char* task : {"alpha", "beta"}) {
    const fs::path file = folder_ / "tasks" / task / "train.json";
    const std::string whole = read_file(file);
    change_rows(file);
    expect_refused(fmt::format("the train rows of task {} are others", task));
    write_file_atomic(file, whole);
  }
  EXPECT_EQ(resume().code, 0) << "what it was is there again";
}

TEST_F(ChangedSources, OtherTestRowsAreSaid) {
  stop_early();
  change_rows(folder_ / "tasks/alpha/test.json");
  const Outcome outcome = resume();
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_THAT(outcome.err, HasSubstr("the test rows of task alpha are others"));
}

TEST_F(ChangedSources, AnotherModelOfTheSameShapeIsRefused) {
  stop_early();
  const fs::path file = folder_ / "model/model.safetensors";
  std::string bytes = read_file(file);
  bytes[bytes.size() - 3] = static_cast<char>(bytes[bytes.size() - 3] ^ 1);
  write_file_atomic(file, bytes);
  expect_refused("the model is another one: model.safetensors");
}

TEST_F(ChangedSources, AnotherTokenizerIsRefused) {
  stop_early();
  append_line(folder_ / "model/tokenizer_config.json", "");
  expect_refused("the model is another one: tokenizer_config.json");
}

TEST_F(ChangedSources, AnEditedConfigurationIsRefused) {
  stop_early();
  const fs::path file = RunFolder(run_).config();
  std::string text = read_file(file);
  const size_t at = text.find("batch_size: ");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, text.find('\n', at) - at, "batch_size: 3");
  write_file_atomic(file, text);
  expect_refused("train.batch_size was 4 and is 3");
}

TEST_F(ChangedSources, AnotherRunsStateIsRefused) {
  stop_early();
  const std::string state = read_file(RunFolder(run_).state());
  fs::remove_all(run_);
  ASSERT_EQ(run_ilora(folder_, begin({"train.epochs=1", "data.tasks=alpha,beta", "seed=9"})).code,
            0);
  write_file_atomic(RunFolder(run_).state(), state);
  expect_refused("seed was 1 and is 9");
}

TEST_F(ChangedSources, AcceptedChangesAreRecorded) {
  stop_early();
  change_rows(folder_ / "tasks/beta/train.json");
  const Outcome outcome = resume({"--accept-changes"});
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_THAT(outcome.err, HasSubstr("accepted"));
  const Json accepted = results_of(run_).at("made_from").at("accepted");
  ASSERT_EQ(accepted.size(), 1u);
  EXPECT_THAT(accepted[0].get<std::string>(), HasSubstr("the train rows of task beta"));
  EXPECT_EQ(resume().code, 0) << "once accepted it is what the run is made from";
}

TEST_F(ChangedSources, AFinishedRunLearnsMoreFromTheSameSources) {
  ASSERT_EQ(run_ilora(folder_, begin({"train.epochs=1", "data.tasks=alpha"})).code, 0);
  const std::vector<std::string> more = {
      "train", "--continue",    run_.string(), "--task", (folder_ / "tasks/beta").string(),
      "--set", "train.epochs=2"};
  const fs::path file = folder_ / "tasks/alpha/train.json";
  const std::string whole = read_file(file);
  change_rows(file);
  const Outcome refused = run_ilora(folder_, more);
  EXPECT_EQ(refused.code, 1) << refused.all();
  EXPECT_THAT(refused.err, HasSubstr("the train rows of task alpha are others"));
  EXPECT_EQ(results_of(run_).at("status"), "finished") << "it is as it was";
  write_file_atomic(file, whole);
  EXPECT_EQ(run_ilora(folder_, more).code, 0) << "epochs may change";
}

TEST_F(ChangedSources, AMovedModelIsTheSame) {
  stop_early();
  fs::rename(folder_ / "model", folder_ / "run/model");
  std::string text = read_file(RunFolder(run_).config());
  const size_t at = text.find((folder_ / "model").string());
  ASSERT_NE(at, std::string::npos);
  text.replace(at, (folder_ / "model").string().size(), (folder_ / "run/model").string());
  write_file_atomic(RunFolder(run_).config(), text);
  const Outcome outcome = resume();
  EXPECT_EQ(outcome.code, 0) << outcome.all();
}

TEST_F(ChangedSources, AnsweringWithAnotherModelIsSaid) {
  ASSERT_EQ(run_ilora(folder_, begin({"train.epochs=1", "data.tasks=alpha"})).code, 0);
  const std::vector<std::string> answer = {"generate", "--run", run_.string(), "hello"};
  EXPECT_THAT(run_ilora(folder_, answer).err, Not(HasSubstr("other files")));
  append_line(folder_ / "model/tokenizer_config.json", "");
  EXPECT_THAT(run_ilora(folder_, answer).err, HasSubstr("was trained with other files"));
}

}  // namespace
}  // namespace ilora::testing
