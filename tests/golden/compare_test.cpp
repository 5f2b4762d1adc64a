// `ilora compare` and `ilora sweep`, whole: cells are processes, a grid that is killed goes on with
// the same bits, what fails does not end the rest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/exit_code.h"
#include "runs/seal.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A configuration file of tiny runs, and the commands on it.
class GridTest : public ::testing::Test {
 protected:
  GridTest() {
    std::string text;
    Configuration base;
    base.set(tiny_settings("unused", "seq",
                           {"data.tasks=alpha,beta", "train.epochs=3", "checkpoint.every=3"}));
    write_file_atomic(config_, base.options.to_yaml());
  }

  std::vector<std::string> command(const std::string& name, const fs::path& out,
                                   const std::vector<std::string>& more) const {
    std::vector<std::string> words = {name, config_.string(), "--out", out.string()};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  Outcome run(const std::vector<std::string>& words) { return run_ilora(folder_, words); }

  TemporaryFolder folder_;
  fs::path config_ = folder_ / "base.yaml";
};

// Waits until `file` exists or holds `lines` lines; false where the child ended before.
bool wait_for(Child& child, const fs::path& file, int lines = 0) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < deadline) {
    if (fs::exists(file)) {
      const std::string text = read_file(file);
      if (std::count(text.begin(), text.end(), '\n') >= lines) return true;
    }
    if (!child.running()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

// What a cell must give whatever happened on the way.
void expect_same_cell(const fs::path& a, const fs::path& b) {
  EXPECT_EQ(adapter_bytes(a), adapter_bytes(b)) << a;
  EXPECT_EQ(results_of(a).at("scores"), results_of(b).at("scores")) << a;
  EXPECT_EQ(read_file(a / "rows.jsonl"), read_file(b / "rows.jsonl")) << a;
  EXPECT_EQ(events(a, ""), events(b, "")) << a;
}

TEST_F(GridTest, ACellsRowScoresAverageToItsResults) {
  ASSERT_EQ(
      run(command("compare", folder_ / "out", {"--methods", "seq,ilora,zero-shot", "--seeds", "1"}))
          .code,
      0);
  for (const char* method : {"seq", "ilora", "zero-shot"}) {
    const fs::path cell = folder_ / "out" / method / "seed-1";
    const Json results = results_of(cell), scores = results.at("scores");
    const std::vector<std::string> tasks = results.at("tasks");
    std::map<std::pair<int, size_t>, int> lines;  // of the deployed learner: after, task
    std::ifstream stream(cell / "rows.jsonl");
    for (std::string line; std::getline(stream, line);) {
      const Json json = Json::parse(line);
      const auto rows = json.at("scores").get<std::vector<double>>();
      const double mean =
          std::accumulate(rows.begin(), rows.end(), 0.0) / static_cast<double>(rows.size());
      const int after = json.at("after");
      const auto name = json.at("task").get<std::string>();
      const size_t task = std::find(tasks.begin(), tasks.end(), name) - tasks.begin();
      const Json& by_learner = results.at("scores_by").at(json.at("learner").get<std::string>());
      EXPECT_EQ(mean, by_learner.at("choice").at(after).at(task)) << method;
      if (json.at("learner") != results.at("deployed")) continue;
      EXPECT_EQ(mean, scores.at(after).at(task)) << method;
      ++lines[{after, task}];
    }
    // Each task right after it was learned, and all of them at the end; once each.
    const std::map<std::pair<int, size_t>, int> trained = {{{1, 0}, 1}, {{2, 0}, 1}, {{2, 1}, 1}},
                                                untrained = {{{0, 0}, 1}, {{0, 1}, 1}};
    EXPECT_EQ(lines, method == std::string("zero-shot") ? untrained : trained) << method;
  }
}

TEST_F(GridTest, TheTableHasWhatTheRunsReport) {
  const fs::path out = folder_ / "out";
  ASSERT_EQ(run(command("compare", out, {"--methods", "er,ilora", "--seeds", "1"})).code, 0);
  const Json methods = read_json(out / "table.json").at("methods");
  ASSERT_EQ(methods.size(), 3U);  // er, ilora, and ilora's fast learner
  EXPECT_EQ(methods.at(2).at("learner"), "fast");
  for (const size_t m : {0, 1}) {
    const Json metrics =
        results_of(out / methods.at(m).at("method").get<std::string>() / "seed-1").at("metrics");
    const Json& values = methods.at(m).at("values");
    EXPECT_EQ(values.at("average accuracy").at("mean"), metrics.at("average_accuracy"));
    EXPECT_EQ(values.at("backward transfer").at("mean"), metrics.at("backward_transfer"));
  }
}

TEST_F(GridTest, CellsSideBySideGiveTheSameBits) {
  const std::vector<std::string> grid = {"--methods", "seq,ilora", "--seeds", "1,2"};
  const fs::path one = folder_ / "one", many = folder_ / "many";
  ASSERT_EQ(run(command("compare", one, grid)).code, 0);
  std::vector<std::string> beside = grid;
  beside.insert(beside.end(), {"--jobs", "3"});
  const Outcome outcome = run(command("compare", many, beside));
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  for (const char* cell : {"seq/seed-1", "seq/seed-2", "ilora/seed-1", "ilora/seed-2"}) {
    expect_same_cell(one / cell, many / cell);
    EXPECT_EQ(results_of(many / cell).at("environment").at("threads"), 1);
  }
}

TEST_F(GridTest, KilledAndCalledAgainItGoesOnWithTheSameBits) {
  const std::vector<std::string> grid = {"--methods", "seq,ilora", "--seeds", "1,2"};
  const fs::path whole = folder_ / "whole", cut = folder_ / "cut";
  ASSERT_EQ(run(command("compare", whole, grid)).code, 0);

  // Killed, with no chance to tidy up, inside the third cell.
  const fs::path third = cut / "ilora/seed-1";
  {
    Child child(folder_, command("compare", cut, grid));
    ASSERT_TRUE(wait_for(child, third / "metrics.jsonl", 12));
    child.send(SIGKILL);
    child.wait();
  }
  ASSERT_FALSE(fs::exists(cut / "table.md"));
  const auto finished = fs::last_write_time(cut / "seq/seed-1/results.json");

  // Its cell, which was told to end, may hold the folder a moment longer.
  Outcome outcome = run(command("compare", cut, grid));
  for (int i = 0; i < 200 && outcome.code == kExitInUse; ++i) {
    EXPECT_THAT(outcome.err, HasSubstr("in use by another ilora"));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    outcome = run(command("compare", cut, grid));
  }
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_THAT(outcome.err, HasSubstr("2 of 4 are finished already"));
  EXPECT_EQ(fs::last_write_time(cut / "seq/seed-1/results.json"), finished);
  EXPECT_THAT(read_file(third / "log.txt"), HasSubstr("ilora on"));
  for (const char* cell : {"seq/seed-1", "seq/seed-2", "ilora/seed-1", "ilora/seed-2"})
    expect_same_cell(cut / cell, whole / cell);
}

TEST_F(GridTest, CtrlCStopsTheCellAtACheckpointAndSaysHowToGoOn) {
  const std::vector<std::string> grid = {"--methods", "ilora", "--seeds",
                                         "1",         "--set", "train.epochs=20"};
  const fs::path out = folder_ / "out";
  Child child(folder_, command("compare", out, grid));
  ASSERT_TRUE(wait_for(child, out / "ilora/seed-1/metrics.jsonl", 10));
  child.send(SIGINT);
  const Outcome stopped = child.wait();
  EXPECT_EQ(stopped.code, 130) << stopped.all();
  EXPECT_THAT(stopped.err, HasSubstr("goes on where it stopped"));
  EXPECT_EQ(results_of(out / "ilora/seed-1").at("status"), "interrupted");
  EXPECT_EQ(run(command("compare", out, grid)).code, 0);
  EXPECT_EQ(results_of(out / "ilora/seed-1").at("status"), "finished");
}

// trials.json of a sweep that chose `setting` for er.
void write_chosen(const fs::path& folder, const std::string& setting) {
  const Json trial = {{"settings", {setting}}, {"score", 0.5}};
  make_folder(folder);
  write_json(folder / "trials.json",
             {{"methods", {{"er", {{"chosen", 1}, {"trials", Json::array({trial})}}}}}});
}

TEST_F(GridTest, AFailedCellIsInTheTableAndTheOthersFinish) {
  write_chosen(folder_ / "tuned", "er.memory_sise=3");
  const std::vector<std::string> grid = {"--methods", "er,seq",  "--seeds",
                                         "1",         "--tuned", (folder_ / "tuned").string()};
  const fs::path out = folder_ / "out";
  const Outcome outcome = run(command("compare", out, grid));
  EXPECT_EQ(outcome.code, 1) << outcome.all();
  EXPECT_THAT(outcome.err, HasSubstr("er, seed 1 failed"));
  EXPECT_THAT(read_file(out / "table.md"),
              AllOf(HasSubstr("| er | 0 | – |"), HasSubstr("| seq | 1 |"),
                    HasSubstr("- er, seed 1: [config]"), HasSubstr("memory\\_sise")));
  EXPECT_EQ(results_of(out / "seq/seed-1").at("status"), "finished");
  EXPECT_TRUE(fs::exists(out / "report.html"));

  // Failed cells are left alone until they are asked for.
  write_chosen(folder_ / "tuned", "er.memory_size=3");
  EXPECT_EQ(run(command("compare", out, grid)).code, 1);
  std::vector<std::string> again = grid;
  again.emplace_back("--retry");
  const Outcome retried = run(command("compare", out, again));
  EXPECT_EQ(retried.code, 0) << retried.all();
  EXPECT_THAT(read_file(out / "table.md"), HasSubstr("| er | 1 |"));
}

TEST_F(GridTest, AnotherConfigurationDoesNotGoOnInTheSameFolder) {
  const fs::path out = folder_ / "out";
  const std::vector<std::string> grid = {"--methods", "seq", "--seeds", "1"};
  ASSERT_EQ(run(command("compare", out, grid)).code, 0);
  std::vector<std::string> other = grid;
  other.insert(other.end(), {"--set", "train.learning_rate=0.5"});
  const Outcome outcome = run(command("compare", out, other));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("train.learning_rate"), HasSubstr("0.5")));
  other = grid;  // what says only how it is computed may differ
  other.insert(other.end(), {"--set", "engine.threads=2"});
  EXPECT_EQ(run(command("compare", out, other)).code, 0);
}

TEST_F(GridTest, TasksThatAreNotNamedAreSettledByTheFirstCall) {
  const fs::path out = folder_ / "out", tasks = folder_ / "tasks";
  for (const char* name : {"alpha", "beta"}) copy_task(name, tasks);
  const std::vector<std::string> grid = {
      "--methods", "seq",         "--seeds", "1",
      "--set",     "data.tasks=", "--set",   "data.folder=" + tasks.string()};
  ASSERT_EQ(run(command("compare", out, grid)).code, 0);
  EXPECT_EQ(run(command("compare", out, grid)).code, 0) << "the cell is there";
  copy_task("gamma", tasks);
  const Outcome more = run(command("compare", out, grid));
  EXPECT_EQ(more.code, 2);
  EXPECT_THAT(more.err, HasSubstr("data.tasks"));
}

TEST_F(GridTest, WhatIsWrongWithTheTableIsSaidBeforeAnythingIsTrained) {
  const fs::path out = folder_ / "out", page = folder_ / "page.md";
  write_file_atomic(page, "no marks\n");
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {"--against", "er"},
           {"--tasks", "delta"},
           {"--into", page.string()},
           {"--into", page.string() + "#tiny"},
           {"--seeds", "2,2"},
           {"--tuned", (folder_ / "tuned").string(), "--set", "train.epoch=2"}}) {
    std::vector<std::string> grid = {"--methods", "seq"};
    grid.insert(grid.end(), wrong.begin(), wrong.end());
    const Outcome outcome = run(command("compare", out, grid));
    EXPECT_NE(outcome.code, 0) << wrong[0];
    EXPECT_FALSE(fs::exists(out / "seq")) << outcome.all();
  }
}

TEST_F(GridTest, TablesComeFromWhatIsKeptAlone) {
  const fs::path out = folder_ / "out", kept = folder_ / "kept", page = folder_ / "page.md";
  write_file_atomic(page, "<!-- begin: tiny -->\n<!-- end: tiny -->\n");
  ASSERT_EQ(run(command("compare", out,
                        {"--methods", "seq,er", "--seeds", "1,2", "--against", "er", "--keep",
                         kept.string(), "--into", page.string() + "#tiny"}))
                .code,
            0);
  EXPECT_FALSE(fs::exists(kept / "seq/seed-1/checkpoints"));
  // Where this machine has models and rows stays here.
  const Json results = read_json(kept / "seq/seed-1/results.json");
  EXPECT_EQ(results.at("made_from").at("working_directory"), "");
  EXPECT_EQ(results.at("made_from").at("paths"), Json::array());
  EXPECT_TRUE(seal_holds(results));
  const Outcome again = run({"compare", "--only-table", "--out", kept.string(), "--against", "er",
                             "--methods", "seq,er"});
  ASSERT_EQ(again.code, 0) << again.all();
  for (const char* table : {"table.md", "table.csv", "table.tex", "table.json"})
    EXPECT_EQ(read_file(out / table), read_file(kept / table)) << table;
  EXPECT_THAT(read_file(page), HasSubstr(read_file(out / "table.md")));

  // What is kept follows the cells, and a copy of a cell is none.
  write_file_atomic(kept / "er/seed-1/failed.json", R"({"exit":1,"error":"once"})");
  fs::copy(kept / "er/seed-2", kept / "er/seed-2-old");
  ASSERT_EQ(run({"compare", "--only-table", "--out", out.string(), "--against", "er", "--methods",
                 "seq,er", "--keep", kept.string()})
                .code,
            0);
  ASSERT_EQ(run({"compare", "--only-table", "--out", kept.string(), "--against", "er", "--methods",
                 "seq,er"})
                .code,
            0);
  EXPECT_EQ(read_file(out / "table.md"), read_file(kept / "table.md"));

  // A folder without cells is said to be one, and what was kept stays.
  const fs::path typo = folder_ / "typo";
  const Outcome nothing = run({"compare", "--only-table", "--out", typo.string(), "--methods",
                               "seq,er", "--seeds", "1,2", "--keep", kept.string()});
  EXPECT_EQ(nothing.code, 1);
  EXPECT_THAT(nothing.err, HasSubstr("got none"));
  EXPECT_FALSE(fs::exists(typo));
  ASSERT_EQ(run({"compare", "--only-table", "--out", out.string(), "--methods", "seq,er", "--seeds",
                 "1,2,7", "--against", "er", "--keep", kept.string()})
                .code,
            0)
      << "a seed that is not there is named below the table";
  EXPECT_TRUE(fs::exists(kept / "er/seed-1/results.json"));
  write_file_atomic(out / "er/seed-1/rows.jsonl",
                    read_file(out / "er/seed-1/rows.jsonl") + "{\"task\":\n");
  EXPECT_THAT(run({"compare", "--only-table", "--out", out.string(), "--methods", "er"}).err,
              HasSubstr("rows.jsonl, line "));
}

// ---- sweep -----------------------------------------------------------------------------------

TEST_F(GridTest, SweepChoosesOnTheEvalSplitWithoutReadingTheTestSplit) {
  const fs::path tasks = folder_ / "tasks", out = folder_ / "sweep";
  fs::copy(data_folder("tiny-tasks"), tasks, fs::copy_options::recursive);
  for (const char* task : {"alpha", "beta"}) fs::remove(tasks / task / "test.json");
  const Outcome outcome =
      run(command("sweep", out,
                  {"--methods", "seq,er", "--grid", "train.learning_rate=1e-6,0.02", "--set",
                   "data.folder=" + tasks.string()}));
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  const Json json = read_json(out / "trials.json");
  for (const char* method : {"seq", "er"}) {
    const Json& tried = json.at("methods").at(method);
    ASSERT_EQ(tried.at("trials").size(), 2U);
    const Json cell = results_of(out / method / "trial-02/seed-1");
    EXPECT_EQ(tried.at("trials").at(1).at("score"), cell.at("metrics").at("average_accuracy"));
    EXPECT_GE(tried.at("trials").at(1).at("score").get<double>(),
              tried.at("trials").at(0).at("score").get<double>());
    EXPECT_EQ(tried.at("chosen"), 2) << method;

    // The result is a whole configuration, for the test split again.
    Configuration best;
    best.options.load_yaml(out / (std::string(method) + ".yaml"));
    EXPECT_EQ(best.recipe.method, method);
    EXPECT_EQ(best.recipe.learning_rate, 0.02);
    EXPECT_EQ(best.recipe.split, "test");
    EXPECT_EQ(best.recipe.matrix, "full");
  }
  EXPECT_THAT(read_file(out / "trials.md"), HasSubstr("| seq | 2 | train.learning_rate=0.02 | **"));

  const Outcome compared =
      run(command("compare", folder_ / "compare",
                  {"--methods", "er", "--seeds", "1", "--tuned", out.string(), "--set",
                   "data.folder=" + data_folder("tiny-tasks").string()}));
  ASSERT_EQ(compared.code, 0) << compared.all();
  EXPECT_EQ(configuration_of(RunFolder(folder_ / "compare/er/seed-1"))->recipe.learning_rate, 0.02);
}

// An ablation: what an option changes, of each learner, against the first of its values.
TEST_F(GridTest, SweepSetsItsTrialsSideBySide) {
  const fs::path out = folder_ / "sweep", kept = folder_ / "kept";
  const std::vector<std::string> grid = {"--methods", "ilora", "--grid", "ilora.half_life=1,0.25"};
  std::vector<std::string> more = grid;
  more.insert(more.end(), {"--set", "eval.matrix=trained", "--keep", kept.string()});
  ASSERT_EQ(run(command("sweep", out, more)).code, 0);
  const std::string table = read_file(out / "table.md");
  for (const char* text : {"backward transfer", "on the eval splits", "| ilora.half\\_life=1 |",
                           "| ilora.half\\_life=0.25 |", "| ilora.half\\_life=0.25 (fast) |",
                           "minus ilora.half\\_life=1's"})
    EXPECT_THAT(table, HasSubstr(text));

  // The table comes from what is kept alone, which says what was tried.
  const std::vector<std::string> again = {"sweep", "--only-table", "--out", kept.string()};
  const Outcome outcome = run(again);
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_EQ(read_file(kept / "table.md"), table);
  EXPECT_THAT(outcome.out, HasSubstr(table));
  std::vector<std::string> other = again;
  other.insert(other.end(), {"--grid", "ilora.half_life=2,3"});
  EXPECT_THAT(run(other).err, HasSubstr("trials.json"));
  EXPECT_EQ(run({"sweep", "--only-table", "--out", (folder_ / "typo").string()}).code, 1);
  EXPECT_FALSE(fs::exists(folder_ / "typo"));
}

TEST_F(GridTest, TrialsThatCannotBeComparedAreStillTrials) {
  const fs::path out = folder_ / "sweep";
  const Outcome outcome =
      run(command("sweep", out, {"--methods", "seq", "--grid", "eval.measures=choice,exact"}));
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_THAT(outcome.out, HasSubstr("| seq | 2 | eval.measures=exact |"));
  EXPECT_THAT(outcome.err, HasSubstr("no table"));
}

TEST_F(GridTest, SweepGoesOnAfterAFailedTrialAndResumes) {
  const fs::path out = folder_ / "sweep";
  // A rate that no float survives, and one that works.
  const std::vector<std::string> grid = {"--methods", "seq", "--grid",
                                         "train.learning_rate=1e30,0.01"};
  const Outcome outcome = run(command("sweep", out, grid));
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  const Json trials = read_json(out / "trials.json").at("methods").at("seq").at("trials");
  EXPECT_TRUE(trials.at(0).at("score").is_null());
  EXPECT_THAT(trials.at(0).at("error").get<std::string>(), HasSubstr("not finite"));
  EXPECT_THAT(read_file(out / "trials.md"), HasSubstr("failed: [train]"));

  const auto written = fs::last_write_time(out / "seq/trial-02/seed-1/results.json");
  EXPECT_EQ(run(command("sweep", out, grid)).code, 0);
  EXPECT_EQ(fs::last_write_time(out / "seq/trial-02/seed-1/results.json"), written);
}

TEST_F(GridTest, SweepGivesEveryMethodTheSameBudgetOrSaysSo) {
  const fs::path out = folder_ / "sweep";
  const std::vector<std::string> uneven = {
      "--methods", "seq,ewc", "--grid", "train.learning_rate=0.01", "--grid", "ewc.lambda=1,10"};
  const Outcome outcome = run(command("sweep", out, uneven));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("1 for seq and 2 for ewc"), HasSubstr("--trials")));
  std::vector<std::string> even = uneven;
  even.insert(even.end(), {"--trials", "1"});
  EXPECT_EQ(run(command("sweep", out, even)).code, 0);
  const Json methods = read_json(out / "trials.json").at("methods");
  EXPECT_EQ(methods.at("seq").at("trials").size(), 1U);
  EXPECT_EQ(methods.at("ewc").at("trials").size(), 1U);
}

TEST_F(GridTest, SweepRefusesWhatCannotBeSweptOver) {
  const auto error_of = [&](const std::string& grid) {
    const Outcome outcome =
        run(command("sweep", folder_ / "sweep", {"--methods", "seq", "--grid", grid}));
    EXPECT_EQ(outcome.code, 2) << grid;
    return outcome.err;
  };
  EXPECT_THAT(error_of("train.learning_rat=1,2"), HasSubstr("train.learning_rate"));
  EXPECT_THAT(error_of("train.batch_size=1.5"), HasSubstr("whole number"));
  EXPECT_THAT(error_of("eval.split=test,eval"), HasSubstr("cannot be swept over"));
  const Outcome set = run(command(
      "sweep", folder_ / "sweep",
      {"--methods", "seq", "--grid", "train.learning_rate=1e-3", "--set", "eval.split=test"}));
  EXPECT_EQ(set.code, 2);
  EXPECT_THAT(set.err, HasSubstr("set by the sweep"));
  EXPECT_THAT(
      run(command("sweep", folder_ / "sweep", {"--methods", "sek", "--grid", "seed=1"})).err,
      HasSubstr("seq"));
}

}  // namespace
}  // namespace ilora::testing
