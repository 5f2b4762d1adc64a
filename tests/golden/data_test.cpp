// ilora data and ilora tasks as a person uses them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Data : public ::testing::Test {
 protected:
  fs::path write(const std::string& name, const std::string& text) {
    write_file_atomic(folder_ / name, text);
    return folder_ / name;
  }
  Outcome import(const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {"data", "import"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_ilora(folder_, all);
  }
  Outcome check(const fs::path& what, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"data", "check", what.string()};
    all.insert(all.end(), more.begin(), more.end());
    return run_ilora(folder_, all);
  }
  std::string out() { return (folder_ / "tasks/colours").string(); }

  TemporaryFolder folder_;
};

std::string table(int rows) {
  std::string text = "text,colour\n";
  for (int i = 0; i < rows; ++i)
    text += fmt::format("thing {},{}\n", i, i % 2 == 0 ? "red" : "blue");
  return text;
}

TEST_F(Data, ImportsATableThatCanBeTrainedOn) {
  const fs::path file = write("things.csv", table(60));
  const Outcome outcome = import({file.string(), "--format", "csv", "--prompt",
                                  "What colour has {text}?\\n", "--answer", "{colour}", "--out",
                                  out(), "--model", data_folder("tiny-model").string(), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json report = parse_json(outcome.out, "out");
  EXPECT_EQ(report.at("records"), 60);
  EXPECT_EQ(report.at("unit"), "tokens");
  EXPECT_EQ(report.at("splits").at(0).at("rows"), 60 - 6 - 5)
      << "a tenth each, one after the other";
  EXPECT_FALSE(fs::exists(out() + ".tmp"));

  const Outcome checked = check(out(), {"--model", data_folder("tiny-model").string()});
  EXPECT_EQ(checked.code, 0) << checked.all();
  EXPECT_THAT(checked.out, AllOf(HasSubstr("colours, measured by choice"), HasSubstr("49 rows")));
  const Outcome trained = run_ilora(
      folder_, train_arguments(tiny_settings(folder_ / "run", "seq",
                                             {"data.folder=" + (folder_ / "tasks").string(),
                                              "data.tasks=colours", "train.epochs=1"})));
  EXPECT_EQ(trained.code, 0) << trained.err;
}

TEST_F(Data, WritesNothingWhereSomethingIsWrong) {
  const fs::path file = write("things.csv", table(20) + "one,two,three\n");
  const Outcome ragged = import({file.string(), "--format", "csv", "--out", out()});
  EXPECT_EQ(ragged.code, 1);
  EXPECT_THAT(ragged.err, HasSubstr("things.csv:22"));
  const Outcome few = import({write("few.csv", table(3)).string(), "--format", "csv", "--prompt",
                              "{text}", "--answer", "{colour}", "--out", out()});
  EXPECT_EQ(few.code, 1);
  EXPECT_THAT(few.err, AllOf(HasSubstr("0.1 of 3 rows"), HasSubstr("--test-share")));
  // Rows that the test split knows.
  const fs::path train = write("a.csv", table(20)), test = write("b.csv", table(5));
  const std::vector<std::string> leaky = {train.string(), "--format", "csv",    "--test",
                                          test.string(),  "--prompt", "{text}", "--answer",
                                          "{colour}",     "--out",    out()};
  const Outcome leak = import(leaky);
  EXPECT_EQ(leak.code, 1);
  EXPECT_THAT(leak.all(), AllOf(HasSubstr("5 rows repeat a prompt of another split"),
                                HasSubstr("nothing is written"), HasSubstr("--drop-leaks")));
  EXPECT_FALSE(fs::exists(folder_ / "tasks"));
  std::vector<std::string> dropped = leaky;
  dropped.push_back("--drop-leaks");
  EXPECT_EQ(import(dropped).code, 0);
  const Outcome again = import(dropped);
  EXPECT_EQ(again.code, 2) << "never over a folder that is there";
  EXPECT_THAT(again.err, HasSubstr("there already"));
}

TEST_F(Data, CheckEndsWithAnErrorWhereATaskHasOne) {
  fs::copy(data_folder("tiny-tasks"), folder_ / "tasks", fs::copy_options::recursive);
  EXPECT_EQ(check(folder_ / "tasks").code, 0);
  write("tasks/beta/test.json", "[\n{\"prompt\":\"gr\xfcn\",\"answer\":\" A\"}\n]\n");
  write("tasks/gamma/task.yaml", "options: [\" A\"]\n");
  const Outcome outcome = check(folder_ / "tasks", {"--json"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("2 of 3 tasks"));
  const Json tasks = parse_json(outcome.out, "out");
  ASSERT_EQ(tasks.size(), 3U);
  EXPECT_THAT(tasks[1].at("findings").dump(), AllOf(HasSubstr("test.json:2"), HasSubstr("0xFC")));
  EXPECT_THAT(tasks[2].at("findings").dump(), HasSubstr("not among the options"));
  EXPECT_EQ(check(folder_ / "absent").code, 1);
}

TEST_F(Data, TrainingSaysTheSameOfTheSameMistakes) {
  fs::create_directories(folder_ / "tasks");
  fs::copy(data_folder("tiny-tasks/alpha"), folder_ / "tasks/FOMC", fs::copy_options::recursive);
  const auto train = [&] {
    fs::remove_all(folder_ / "run");
    return run_ilora(folder_,
                     train_arguments(tiny_settings(
                         folder_ / "run", "seq",
                         {"data.folder=" + (folder_ / "tasks").string(), "data.tasks=FOMC"})))
        .err;
  };
  EXPECT_THAT(train(), AllOf(HasSubstr("not among the options A, B, C"),
                             HasSubstr("row 0 of FOMC/test.json"), HasSubstr("task.yaml")));
  write("tasks/FOMC/test.json", "[{\"prompt\":\"gr\xfcn\",\"answer\":\"A\"}]");
  EXPECT_THAT(train(), AllOf(HasSubstr("test.json:1"), HasSubstr("UTF-8")));
}

TEST_F(Data, TasksAndFormatsAreListed) {
  const Outcome tasks = run_ilora(folder_, {"tasks"});
  EXPECT_THAT(tasks.out,
              AllOf(HasSubstr("ScienceQA"), HasSubstr("choice-letter"), HasSubstr("IMDB")));
  EXPECT_EQ(parse_json(run_ilora(folder_, {"tasks", "--json"}).out, "out").size(), 25U);
  EXPECT_THAT(import({"--help"}).out, AllOf(HasSubstr("scienceqa"), HasSubstr("sharegpt")));
}

}  // namespace
}  // namespace ilora::testing
