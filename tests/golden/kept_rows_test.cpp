// `ilora memory` and the library's: what a run keeps of its tasks is shown, and gone where it is
// purged; the run goes on.
#include "session/kept_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ilora/ilora.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class KeptRowsTest : public ::testing::TestWithParam<const char*> {
 protected:
  void train(const Settings& more = {}) {
    Settings settings = {"train.epochs=2", "data.tasks=alpha,beta", "checkpoint.every=3"};
    settings.insert(settings.end(), more.begin(), more.end());
    ASSERT_EQ(run_ilora(folder_, train_arguments(tiny_settings(run_, method(), settings))).code, 0);
  }
  std::string method() const { return GetParam(); }
  Outcome memory(std::vector<std::string> words) {
    words.insert(words.begin(), "memory");
    return run_ilora(folder_, words);
  }
  // The rows of a task that the run has, by number.
  std::vector<KeptRow> rows_of(const std::string& task) {
    std::vector<KeptRow> rows = read_kept_rows(RunFolder(run_)).rows;
    std::erase_if(rows, [&](const KeptRow& row) { return row.task != task; });
    return rows;
  }
  // Whether any file of the run has these tokens in a row.
  bool found(const Row& row) const {
    const std::string bytes(reinterpret_cast<const char*>(row.tokens.data()),
                            row.tokens.size() * sizeof(int32_t));
    for (const auto& entry : fs::recursive_directory_iterator(run_))
      if (entry.is_regular_file() && read_file(entry.path()).find(bytes) != std::string::npos)
        return true;
    return false;
  }

  TemporaryFolder folder_;
  fs::path run_ = folder_ / "run";
};

TEST_P(KeptRowsTest, AreListedAndShownAsTheyStandInTheirFile) {
  train();
  const Json listed = Json::parse(memory({"list", run_, "--json"}).out);
  ASSERT_EQ(listed.at("tasks").size(), 2U);
  EXPECT_EQ(listed["tasks"][0]["task"], "alpha");
  EXPECT_EQ(listed["tasks"][0]["rows"], 16);
  EXPECT_EQ(listed["rows"], 32);
  const Json shown =
      Json::parse(memory({"show", run_, "--task", "beta", "--row", "3", "--json"}).out);
  ASSERT_EQ(shown.at("rows").size(), 1U);
  const Json file = read_json(data_folder("tiny-tasks") / "beta" / "train.json");
  EXPECT_EQ(shown["rows"][0]["prompt"], file[3]["prompt"]);
  EXPECT_EQ(shown["rows"][0]["answer"], file[3]["answer"]);
  EXPECT_THAT(memory({"show", run_, "--containing", "owl", "--limit", "1"}).out,
              HasSubstr("4 rows, 1 shown"));
}

TEST_P(KeptRowsTest, ThatArePurgedAreInNoFileAndTheRunGoesOn) {
  train();
  const std::vector<KeptRow> before = rows_of("alpha");
  const Outcome purged = memory({"purge", run_, "--task", "alpha", "--containing", "owl"});
  ASSERT_EQ(purged.code, 0) << purged.all();
  EXPECT_THAT(purged.out, HasSubstr("alpha: 4 rows purged"));
  const std::vector<KeptRow> after = rows_of("alpha");
  EXPECT_EQ(after.size(), before.size() - 4);
  for (const KeptRow& row : before) {
    const bool stays = std::ranges::count(after, row.number, &KeptRow::number) > 0;
    EXPECT_EQ(found(row.row), stays) << row.number;
  }
  EXPECT_THAT(results_of(run_)["made_from"]["accepted"].dump(),
              HasSubstr("4 rows of alpha purged from memory"));
  // Everything else is as it was: a resumed run has nothing to do, a continued one learns.
  const auto adapters = adapter_bytes(run_);
  EXPECT_EQ(run_ilora(folder_, {"train", "--resume", run_}).code, 0);
  EXPECT_EQ(adapter_bytes(run_), adapters);
  ASSERT_EQ(memory({"purge", run_, "--task", "alpha"}).code, 0);
  const Outcome more = run_ilora(
      folder_, {"train", "--continue", run_, "--task", data_folder("tiny-tasks") / "gamma"});
  EXPECT_EQ(more.code, 0) << more.all();
  EXPECT_TRUE(rows_of("alpha").empty());
  EXPECT_THAT(results_of(run_)["made_from"]["accepted"].dump(), HasSubstr("12 rows of alpha"));
}

TEST_P(KeptRowsTest, OfATaskThatIsBeingLearnedStay) {
  Settings settings = {"train.epochs=200", "checkpoint.every=1"};
  Child child(folder_, train_arguments(tiny_settings(run_, method(), settings)));
  while (child.running() && count_steps(run_) < 5) usleep(1000);
  child.send(SIGINT);
  ASSERT_EQ(child.wait().code, 130);
  const std::string state = read_file(RunFolder(run_).state());
  const Outcome refused = memory({"purge", run_, "--all"});
  if (method() == "gem" || method() == "agem") {  // they keep rows of finished tasks alone
    EXPECT_THAT(refused.out, HasSubstr("nothing has changed"));
  } else {
    EXPECT_EQ(refused.code, 2) << refused.all();
    EXPECT_THAT(refused.err, HasSubstr("alpha is still being learned"));
  }
  EXPECT_EQ(read_file(RunFolder(run_).state()), state);
}

INSTANTIATE_TEST_SUITE_P(Methods, KeptRowsTest,
                         ::testing::Values("er", "gem", "agem", "ilora", "derpp", "sure"));

using KeptRowsOfOneMethod = KeptRowsTest;
INSTANTIATE_TEST_SUITE_P(Methods, KeptRowsOfOneMethod, ::testing::Values("ilora"));

// Rows that are held out for the point that answers are somebody's data too; without any of a task
// the point is chosen by the others.
TEST_P(KeptRowsOfOneMethod, ThatAreHeldOutAreForgottenToo) {
  train({"ilora.point=memory", "ilora.point_rows=4"});
  const std::vector<KeptRow> before = rows_of("alpha");
  const Outcome purged = memory({"purge", run_, "--task", "alpha"});
  ASSERT_EQ(purged.code, 0) << purged.all();
  for (const KeptRow& row : before) EXPECT_FALSE(found(row.row)) << row.number;
  const Outcome more = run_ilora(
      folder_, {"train", "--continue", run_, "--task", data_folder("tiny-tasks") / "gamma"});
  EXPECT_EQ(more.code, 0) << more.all();
}

TEST_P(KeptRowsOfOneMethod, ChoicesThatMeanNothingAreRefused) {
  train();
  for (const auto& [words, said] : {
           std::pair<std::vector<std::string>, const char*>{{}, "no row is named"},
           {{"--all", "--task", "alpha"}, "--all leaves nothing to choose"},
           {{"--task", "delta"}, "no task 'delta'"},
           {{"--row", "1"}, "--row needs the task"},
       }) {
    std::vector<std::string> purge = {"purge", run_};
    purge.insert(purge.end(), words.begin(), words.end());
    const Outcome outcome = memory(purge);
    EXPECT_EQ(outcome.code, 2) << outcome.all();
    EXPECT_THAT(outcome.err, HasSubstr(said));
  }
  EXPECT_EQ(rows_of("alpha").size(), 16U);
}

// The rows of a damaged state cannot be looked at: it goes, with the purge.
TEST_P(KeptRowsOfOneMethod, ADamagedStateIsReplaced) {
  train();
  const std::vector<KeptRow> rows = rows_of("alpha");
  std::string state = read_file(RunFolder(run_).state());
  state[state.size() / 2] ^= 1;
  write_file_atomic(RunFolder(run_).state(), state);
  const Outcome purged = memory({"purge", run_, "--task", "alpha"});
  ASSERT_EQ(purged.code, 0) << purged.all();
  for (const KeptRow& row : rows) EXPECT_FALSE(found(row.row)) << row.number;
  EXPECT_EQ(run_ilora(folder_, {"train", "--resume", run_}).code, 0);
}

TEST_P(KeptRowsOfOneMethod, OfTheLibraryGoWithTheirTexts) {
  Settings settings;
  for (const std::string& s : tiny_settings("unused", "ilora", {"train.epochs=2"}))
    if (!s.starts_with("output=") && !s.starts_with("data.folder=")) settings.push_back(s);
  const std::vector<Sample> colours = {
      {"The door is", " green"}, {"The roof is", " red"}, {"The gate is", " green"}};
  Session session(run_, settings);
  ASSERT_TRUE(session.learn("colours", colours));
  const auto kept = session.memory();
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_EQ(kept[1].task, "colours");
  EXPECT_EQ(kept[1].number, 1);
  EXPECT_EQ(kept[1].prompt, "The roof is");
  EXPECT_EQ(kept[1].answer, " red");
  const auto roof = [](const KeptSample& sample) { return sample.prompt == "The roof is"; };
  EXPECT_EQ(session.forget(roof), 1);
  EXPECT_EQ(session.forget(roof), 0);
  ASSERT_EQ(session.memory().size(), 2U);
  EXPECT_EQ(session.memory()[1].number, 2);
  for (const auto& entry : fs::recursive_directory_iterator(run_)) {
    if (!entry.is_regular_file()) continue;
    EXPECT_THAT(read_file(entry.path()), Not(HasSubstr("The roof is"))) << entry.path();
  }
  EXPECT_TRUE(session.learn("rooms", {{"Ada works", " upstairs"}, {"Kurt works", " below"}}));
  EXPECT_EQ(session.tasks().size(), 2U);
}

}  // namespace
}  // namespace ilora::testing
