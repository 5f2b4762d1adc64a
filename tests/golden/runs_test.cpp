// Whole runs of the program on a tiny model: what they write, and that one configuration gives one
// result.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/peft.h"
#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::HasSubstr;

std::string yaml_of(const fs::path& output, const std::string& method) {
  return fmt::format(
      "method: {}\noutput: {}\nmodel:\n  path: {}\nengine: {{threads: 1, mode: f32}}\ndata:\n  "
      "folder: {}\n"
      "lora: {{rank: 4, alpha: 8, targets: [q_proj, v_proj, gate_proj, down_proj]}}\n"
      "train: {{epochs: 6, batch_size: 4, learning_rate: 0.02}}\n",
      method, output.string(), data_folder("tiny-model").string(),
      data_folder("tiny-tasks").string());
}

class EveryMethod : public ::testing::TestWithParam<std::string> {
 protected:
  void expect_scores(const Json& results) const;
  void expect_measures(const Json& results) const;
  void expect_folder(const fs::path& run) const;

  const std::string method_ = GetParam();
  const bool together_ = method_ == "mtl";  // nothing is evaluated between the tasks
  const bool trains_ = method_ != "zero-shot" && method_ != "constant";
  const bool has_slow_ = method_ == "ilora" || method_ == "sure";
};

void EveryMethod::expect_scores(const Json& results) const {
  EXPECT_EQ(results.at("schema"), 1);
  EXPECT_EQ(results.at("status"), "finished");
  EXPECT_EQ(results.at("method"), method_);
  EXPECT_EQ(results.at("seed"), 1);
  EXPECT_EQ(results.at("tasks"), Json({"alpha", "beta", "gamma"}));
  ASSERT_EQ(results.at("scores").size(), 4U);  // row 0: before training
  const std::string deployed = find_method(method_).make()->deployed();
  EXPECT_EQ(results.at("deployed"), deployed);
  const bool told_the_task = method_ == "one" || method_ == "pp";
  EXPECT_EQ(results.contains("note"), together_ || told_the_task);
  for (size_t k = 0; k < 4; ++k) {
    ASSERT_EQ(results.at("scores")[k].size(), 3U);
    for (const Json& score : results.at("scores")[k]) {
      EXPECT_EQ(score.is_null(), together_ && (k == 1 || k == 2));
      if (score.is_null()) continue;
      EXPECT_GE(score.get<double>(), 0.0);
      EXPECT_LE(score.get<double>(), 1.0);
    }
  }
  EXPECT_EQ(results.at("scores_by").at(deployed).at("choice"), results.at("scores"));
  EXPECT_EQ(results.at("scores_by").contains("slow"), has_slow_);
  if (!trains_) {
    EXPECT_EQ(results.at("scores")[0], results.at("scores")[3]);
  }
  if (method_ == "seq") {
    EXPECT_GE(results.at("scores")[1][0].get<double>(), 0.9) << "the tiny task is learned";
  }
}

void EveryMethod::expect_measures(const Json& results) const {
  const Json& metrics = results.at("metrics");
  EXPECT_TRUE(metrics.at("average_accuracy").is_number());
  for (const char* name :
       {"average_incremental_accuracy", "backward_transfer", "forward_transfer", "forgetting"}) {
    EXPECT_EQ(metrics.at(name).is_number(), !together_) << name;
    EXPECT_EQ(metrics.at(name).is_null(), together_) << name;
  }
  EXPECT_TRUE(metrics.at("intransigence").is_null());  // no references are named
  double last = 0;
  for (const Json& score : results.at("scores")[3]) last += score.get<double>() / 3.0;
  EXPECT_NEAR(metrics.at("average_accuracy").get<double>(), last, 1e-12);
  EXPECT_EQ(results.at("timing").at("train_seconds").get<double>() > 0, trains_);
  EXPECT_EQ(results.at("timing").at("train_tokens").get<int64_t>() > 0, trains_);
  EXPECT_EQ(results.at("timing").at("tokens_per_second").get<double>() > 0, trains_);
  EXPECT_EQ(results.at("environment").at("mode"), "f32");
  EXPECT_EQ(results.at("environment").at("threads"), 1);
}

void EveryMethod::expect_folder(const fs::path& run) const {
  EXPECT_EQ(count_steps(run), trains_ ? 72 : 0);
  EXPECT_THAT(read_file(RunFolder(run).report()), HasSubstr("<html"));
  const RunFolder written = open_run(run);
  EXPECT_EQ(written.last_task(), 3);
  for (int64_t task = together_ ? 3 : 1; task <= 3; ++task) {
    EXPECT_TRUE(fs::exists(written.adapter(task, "fast") / "adapter_model.safetensors"));
    EXPECT_EQ(fs::exists(written.adapter(task, "slow") / "adapter_model.safetensors"), has_slow_);
  }
}

TEST_P(EveryMethod, RunsToTheEndAndWritesARunFolder) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  write_file_atomic(folder / "config.yaml", yaml_of(run, method_));
  const Outcome outcome = run_ilora(folder, {"train", (folder / "config.yaml").string(), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json results = results_of(run);
  EXPECT_EQ(Json::parse(outcome.out), results);
  expect_scores(results);
  expect_measures(results);
  expect_folder(run);
}

INSTANTIATE_TEST_SUITE_P(Runs, EveryMethod, ::testing::ValuesIn(all_methods()),
                         [](const auto& method) { return test_name(method.param); });

TEST(Runs, StepsSayWhatTheDescriptionLists) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const Outcome outcome = run_ilora(
      folder, train_arguments(tiny_settings(run, "ilora", {"log.gradient_norms_every=5"})));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<Json> steps = events(run);
  ASSERT_EQ(steps.size(), 72U);
  for (size_t i = 0; i < steps.size(); ++i) {
    const Json& step = steps[i];
    EXPECT_EQ(step.at("step"), i + 1);
    EXPECT_EQ(step.at("task_index"), i / 24);
    EXPECT_EQ(step.at("epoch"), i % 24 / 4);
    const bool replays = i >= 24;  // from the second task on
    EXPECT_EQ(step.at("terms").contains("consistency"), replays) << i;
    double sum = 0;
    for (const Json& term : step.at("terms")) sum += term.get<double>();
    EXPECT_NEAR(sum, step.at("loss").get<double>(), 1e-9);
    EXPECT_GT(step.at("gradient_norms").at("total").get<double>(), 0.0);
    EXPECT_EQ(step.at("gradient_norms").contains("cross_entropy"), !replays || i % 5 == 0) << i;
    EXPECT_GT(step.at("distance").get<double>(), 0.0);
    EXPECT_GT(step.at("lambda").get<double>(), 0.0);
  }
}

TEST(Runs, TheSameSeedGivesTheSameBitsAndAnotherSeedOthers) {
  const TemporaryFolder folder;
  for (const char* name : {"a", "b", "c"}) {
    const std::string seed = name[0] == 'c' ? "seed=2" : "seed=1";
    const Outcome outcome = run_ilora(
        folder, train_arguments(tiny_settings(folder / name, "ilora",
                                              {seed, "train.epochs=2", "lora.dropout=0.1"})));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  EXPECT_EQ(adapter_bytes(folder / "a"), adapter_bytes(folder / "b"));
  EXPECT_EQ(events(folder / "a"), events(folder / "b"));
  EXPECT_NE(adapter_bytes(folder / "a"), adapter_bytes(folder / "c"));
}

TEST(Runs, IloraWithoutConsistencyAndWithTheFastLearnerIsReplay) {
  const TemporaryFolder folder;
  const Settings more = {"train.epochs=3", "ilora.gamma=0", "ilora.deploy=fast"};
  for (const char* method : {"er", "ilora"}) {
    const Outcome outcome =
        run_ilora(folder, train_arguments(tiny_settings(folder / method, method, more)));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  const auto er = adapter_bytes(folder / "er"), ilora = adapter_bytes(folder / "ilora");
  ASSERT_EQ(er.size(), 3U);
  for (const auto& [path, bytes] : er) {
    ASSERT_TRUE(ilora.contains(path)) << path;
    EXPECT_TRUE(ilora.at(path) == bytes) << path;
  }
  EXPECT_EQ(results_of(folder / "er").at("scores"), results_of(folder / "ilora").at("scores"));
  EXPECT_EQ(results_of(folder / "er").at("metrics"), results_of(folder / "ilora").at("metrics"));
}

// A memory that grows moves its rows; those that a step replayed were counted after that once.
TEST(Runs, ReplayedTokensAreCountedWhileTheMemoryGrows) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(folder / "run", "er"))).code, 0);
  const TinyRun tiny(tiny_settings("unused", "er"));
  int64_t longest = 0;
  for (size_t task = 0; task < tiny.tasks.size(); ++task)
    for (const Row& row : tiny.rows(task)) longest = std::max(longest, row.length());
  for (const Json& step : events(folder / "run")) {
    const int64_t tokens = step.at("tokens");
    EXPECT_GT(tokens, 0);
    EXPECT_LE(tokens, 8 * longest) << "four rows and as many replayed";
  }
}

TEST(Runs, TwoThreadsGiveTheBitsOfOne) {
  const TemporaryFolder folder;
  for (const char* threads : {"1", "2"}) {
    const Outcome outcome =
        run_ilora(folder, train_arguments(tiny_settings(
                              folder / threads, "ilora",
                              {"train.epochs=2", std::string("engine.threads=") + threads})));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  EXPECT_EQ(adapter_bytes(folder / "1"), adapter_bytes(folder / "2"));
  EXPECT_EQ(events(folder / "1", ""), events(folder / "2", ""));
}

TEST(Runs, CheckedKernelsAgreeAndReferenceKernelsComeClose) {
  const TemporaryFolder folder;
  const Settings few = {"train.epochs=1", "data.train_rows=8", "data.test_rows=4",
                        "lora.dropout=0.1"};
  for (const char* kernels : {"cpu", "check", "reference"}) {
    Settings more = few;
    more.push_back(std::string("engine.kernels=") + kernels);
    const Outcome outcome =
        run_ilora(folder, train_arguments(tiny_settings(folder / kernels, "ilora", more)));
    ASSERT_EQ(outcome.code, 0) << kernels << ": " << outcome.err;
  }
  EXPECT_EQ(adapter_bytes(folder / "cpu"), adapter_bytes(folder / "check"));
  const auto fast = events(folder / "cpu"), plain = events(folder / "reference");
  ASSERT_EQ(fast.size(), 6U);
  ASSERT_EQ(plain.size(), 6U);
  for (size_t i = 0; i < fast.size(); ++i) {
    const double a = fast[i].at("loss"), b = plain[i].at("loss");
    EXPECT_NEAR(a, b, 1e-4 * b) << "step " << i + 1;
  }
}

TEST(Runs, Bf16WhereTheCpuHasIt) {
  if (!cpu_features().bf16_possible) GTEST_SKIP() << "this CPU has no bf16 products";
  const TemporaryFolder folder;
  for (const char* mode : {"f32", "bf16"}) {
    const Outcome outcome = run_ilora(
        folder,
        train_arguments(tiny_settings(folder / mode, "ilora",
                                      {"train.epochs=2", std::string("engine.mode=") + mode})));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(results_of(folder / mode).at("environment").at("mode"), mode);
  }
  const auto f32 = events(folder / "f32"), bf16 = events(folder / "bf16");
  ASSERT_EQ(f32.size(), bf16.size());
  const double a = f32.front().at("loss"), b = bf16.front().at("loss");
  EXPECT_NEAR(a, b, 0.02 * a);
  EXPECT_NE(a, b) << "bf16 was not used";
}

TEST(Runs, PartsOfTheScoreMatrix) {
  const TemporaryFolder folder;
  const auto scores = [&](const std::string& method, const std::string& matrix) {
    const fs::path run = folder / (method + "-" + matrix);
    const Outcome outcome = run_ilora(
        folder,
        train_arguments(tiny_settings(run, method, {"train.epochs=1", "eval.matrix=" + matrix})));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return results_of(run).at("scores");
  };
  const Json full = scores("seq", "full");
  for (const std::string matrix : {"diagonal", "trained", "last"}) {
    const Json part = scores("seq", matrix);
    for (size_t row = 0; row < full.size(); ++row) {
      for (size_t column = 0; column < full[row].size(); ++column) {
        const bool kept = row + 1 == full.size() || (row == 0 && matrix == "diagonal") ||
                          (row == column + 1 && matrix != "last");
        EXPECT_EQ(part[row][column], kept ? full[row][column] : Json(nullptr))
            << matrix << " " << row << " " << column;
      }
    }
  }
  // Nothing is trained: the base model's row is all rows.
  const Json base = scores("zero-shot", "last");
  EXPECT_EQ(base.back(), full.front());
}

TEST(Runs, MeasuresThatGenerate) {
  const TemporaryFolder folder;
  const Outcome outcome = run_ilora(
      folder, train_arguments(tiny_settings(folder / "run", "seq",
                                            {"eval.measures=choice-generated,exact,number",
                                             "eval.max_new_tokens=6", "eval.matrix=diagonal"})));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json results = results_of(folder / "run");
  EXPECT_EQ(results.at("measures"), Json({"choice-generated", "exact", "number"}));
  EXPECT_GE(results.at("scores")[1][0].get<double>(), 0.9)
      << "the first task's letters are generated";
  EXPECT_TRUE(results.at("scores")[1][1].is_null()) << "diagonal leaves it out";
  EXPECT_TRUE(results.at("scores_by").at("fast").at("exact")[1][0].is_null());
  EXPECT_EQ(results.at("scores_by").at("fast").at("exact")[2][1], results.at("scores")[2][1]);

  // `eval` measures the run's tasks as the run did.
  const Outcome again = run_ilora(folder, {"eval", (folder / "run").string(), "--data",
                                           data_folder("tiny-tasks").string(), "--json"});
  ASSERT_EQ(again.code, 0) << again.err;
  const Json scores = Json::parse(again.out).at("scores").at("fast");
  for (size_t j = 0; j < 3; ++j) {
    const Json& entry = scores.at(results.at("tasks")[j].get<std::string>());
    EXPECT_EQ(entry.at("measure"), results.at("measures")[j]);
    EXPECT_EQ(entry.at("score"), results.at("scores")[3][j]);
  }
}

TEST(Runs, EvalGivesTheRunsOwnLastRow) {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  ASSERT_EQ(
      run_ilora(folder, train_arguments(tiny_settings(run, "ilora", {"train.epochs=3"}))).code, 0);
  const Outcome outcome = run_ilora(
      folder, {"eval", run.string(), "--data", data_folder("tiny-tasks").string(), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json scores = Json::parse(outcome.out).at("scores");
  const Json results = results_of(run);
  for (const char* learner : {"fast", "slow"}) {
    for (size_t j = 0; j < 3; ++j) {
      const std::string task = results.at("tasks")[j];
      EXPECT_EQ(scores.at(learner).at(task).at("score"),
                results.at("scores_by").at(learner).at("choice")[3][j])
          << learner << " on " << task;
      EXPECT_EQ(scores.at(learner).at(task).at("rows"), 8);
    }
  }
  // An earlier task's adapters, one folder, the base model: row 1 and row 0.
  const Outcome early =
      run_ilora(folder, {"eval", run.string(), "--data", data_folder("tiny-tasks/alpha").string(),
                         "--after", "1", "--learner", "slow", "--learner", "base", "--json"});
  ASSERT_EQ(early.code, 0) << early.err;
  const Json then = Json::parse(early.out).at("scores");
  EXPECT_EQ(then.at("slow").at("alpha").at("score"), results.at("scores")[1][0]);
  EXPECT_EQ(then.at("base").at("alpha").at("score"), results.at("scores")[0][0]);
}

TEST(Runs, EvalAnswersEachTaskWithItsOwnAdapterWhereTheRunDid) {
  for (const char* method : {"one", "pp"}) {
    const TemporaryFolder folder;
    const fs::path run = folder / "run";
    ASSERT_EQ(
        run_ilora(folder, train_arguments(tiny_settings(run, method, {"train.epochs=3"}))).code, 0);
    const Outcome outcome = run_ilora(
        folder, {"eval", run.string(), "--data", data_folder("tiny-tasks").string(), "--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const Json scores = Json::parse(outcome.out).at("scores").at("fast"), results = results_of(run);
    for (size_t j = 0; j < 3; ++j)
      EXPECT_EQ(scores.at(results.at("tasks")[j].get<std::string>()).at("score"),
                results.at("scores")[3][j])
          << method;
    const Outcome ignored =
        run_ilora(folder, {"eval", run.string(), "--data", data_folder("tiny-tasks").string(),
                           "--set", "eval.measures=exact"});
    EXPECT_EQ(ignored.code, 2);
    EXPECT_THAT(ignored.err, HasSubstr("--measure"));
  }
}

TEST(Runs, AnAdapterStartsTheNextRun) {
  const TemporaryFolder folder;
  const Settings one = {"train.epochs=1", "data.tasks=alpha"};
  ASSERT_EQ(run_ilora(folder, train_arguments(tiny_settings(folder / "first", "seq", one))).code,
            0);
  Settings two = one;
  two.push_back("lora.start=" + (folder / "first/checkpoints/task-01/adapter").string());
  two.insert(two.end(), {"lora.rank=3", "lora.dropout=0.25"});
  const Outcome outcome =
      run_ilora(folder, train_arguments(tiny_settings(folder / "second", "seq", two)));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  // The adapter's shape is taken over, and config.yaml says so; dropout is the run's own.
  const auto config = configuration_of(RunFolder(folder / "second"));
  const auto first = configuration_of(RunFolder(folder / "first"));
  EXPECT_EQ(config->recipe.lora.rank, first->recipe.lora.rank);
  const LoraOptions saved = load_peft_options(folder / "second/checkpoints/task-01/adapter");
  EXPECT_EQ(saved.dropout, 0.25);
  // It begins with what the first run ended with.
  EXPECT_EQ(results_of(folder / "second").at("scores")[0],
            results_of(folder / "first").at("scores")[1]);
  EXPECT_LT(events(folder / "second").front().at("loss").get<double>(),
            events(folder / "first").front().at("loss").get<double>());
}

}  // namespace
}  // namespace ilora::testing
