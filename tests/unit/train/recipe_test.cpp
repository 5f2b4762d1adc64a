// The recipe: schedules, task folders, measures.
#include "train/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "tests/unit/base/temporary_folder.h"
#include "train/schedule.h"

namespace ilora {
namespace {

std::vector<double> rates(const std::string& schedule, double warm_up, int64_t steps) {
  Recipe recipe;
  recipe.learning_rate = 1.0;
  recipe.schedule = schedule;
  recipe.warm_up = warm_up;
  std::vector<double> list;
  for (int64_t s = 0; s < steps; ++s) list.push_back(scheduled_rate(recipe, s, steps));
  return list;
}

TEST(Schedule, FollowsItsFormula) {
  using ::testing::DoubleNear;
  using ::testing::Pointwise;
  const auto near = [](const std::vector<double>& x) {
    return Pointwise(::testing::DoubleNear(1e-12), x);
  };
  EXPECT_THAT(rates("constant", 0.0, 4), near({1, 1, 1, 1}));
  EXPECT_THAT(rates("constant", 0.5, 4), near({0.5, 1, 1, 1}));
  EXPECT_THAT(rates("linear", 0.0, 4), near({1, 0.75, 0.5, 0.25}));
  EXPECT_THAT(rates("linear", 0.2, 10),
              near({0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125}));
  const auto cosine = rates("cosine", 0.0, 4);
  EXPECT_THAT(cosine, near({1, 0.5 * (1 + std::sqrt(0.5)), 0.5, 0.5 * (1 - std::sqrt(0.5))}));
  EXPECT_THAT(rates("linear", 1.0, 3), near({1.0 / 3, 2.0 / 3, 1}));
  EXPECT_THAT(rates("linear", 0.1, 1), near({1}));
}

TEST(Recipe, TrainingRowsFollowTheRunsSeedWhereTheyAreAskedTo) {
  Recipe recipe;
  recipe.seed = 7;
  EXPECT_EQ(recipe.limits("any").train_seed, 0U) << "the same rows in every run";
  recipe.rows_seed = -1;
  EXPECT_EQ(recipe.limits("any").train_seed, 7U);
  recipe.rows_seed = 3;
  EXPECT_EQ(recipe.limits("any").train_seed, 3U);
}

TEST(Recipe, FindsTaskFolders) {
  const TemporaryFolder folder;
  for (const char* name : {"b", "a", "c"}) {
    std::filesystem::create_directories(folder / name);
    if (name[0] != 'c') std::ofstream(folder / name / "train.json") << "[]";
  }
  Recipe recipe;
  recipe.data_folder = (folder / "").string();
  const auto found = recipe.task_folders();
  ASSERT_EQ(found.size(), 2U);  // c holds no task
  EXPECT_EQ(found[0].filename(), "a");
  EXPECT_EQ(found[1].filename(), "b");
  std::ofstream(folder / "c" / "test.json") << "[]";
  EXPECT_EQ(recipe.task_folders().size(), 3U) << "a task whose train.json is missing, not no task";
  recipe.tasks = {"c", "a"};
  EXPECT_EQ(recipe.task_folders()[0].filename(), "c") << "the order given is the order learned";
  recipe.measures = {"choice", "exact", "number"};
  EXPECT_THROW(recipe.task_folders(), Error);
  recipe.measures = {"choice", "exact"};
  EXPECT_NO_THROW(recipe.task_folders());
  EXPECT_EQ(recipe.measure_of(1), "exact");
  recipe.measures = {"number"};
  EXPECT_EQ(recipe.measure_of(1), "number");
  recipe.measures = {};
  EXPECT_EQ(recipe.measure_of(1), "auto");
}

TEST(Recipe, ProtocolsSetWhatIsNotGiven) {
  Recipe recipe;
  OptionList options;
  recipe.add_options(options);
  options.load_yaml_text("protocol: reduced\ndata: {max_length: 300}\n", "test");
  EXPECT_EQ(recipe.max_length, 300);
  EXPECT_EQ(recipe.train_rows, 120);
  EXPECT_EQ(recipe.epochs, 3);
  EXPECT_EQ(recipe.matrix, "diagonal");
  EXPECT_EQ(recipe.limits("C-STANCE").test, 200);
  EXPECT_EQ(recipe.limits("MeetingBank").test, 50);
  EXPECT_EQ(recipe.limits("20Minuten").eval, 50);
  options.set("protocol=full");
  EXPECT_EQ(recipe.train_rows, 5000);
  EXPECT_EQ(recipe.limits("MeetingBank").test, 500);
  EXPECT_EQ(recipe.matrix, "full");
}

TEST(Recipe, LimitsOfSingleTasks) {
  const TemporaryFolder folder;
  for (const char* name : {"a", "v1.2"}) {
    std::filesystem::create_directories(folder / name);
    std::ofstream(folder / name / "train.json") << "[]";
  }
  Recipe recipe;
  recipe.data_folder = (folder / "").string();
  recipe.test_rows = 9;
  recipe.task_rows = {"v1.2.test=3", "a.train=4", "MeetingBank.test=5"};
  EXPECT_EQ(recipe.limits("a").train, 4);
  EXPECT_EQ(recipe.limits("a").test, 9);
  EXPECT_EQ(recipe.limits("v1.2").test, 3);
  EXPECT_EQ(recipe.task_folders().size(), 2U) << "a benchmark's task may be named and absent";
  for (const char* wrong :
       {"a", "a=3", "a.tests=3", "a.test=", "a.test=-1", "a.test=3x", ".test=3"}) {
    recipe.task_rows = {wrong};
    EXPECT_THROW(recipe.limits("a"), Error) << wrong;
  }
  recipe.task_rows = {"b.test=3"};
  EXPECT_THROW(recipe.task_folders(), Error) << "a misspelt task";
}

TEST(Recipe, OptionsReachTheirParts) {
  Recipe recipe;
  OptionList options;
  recipe.add_options(options);
  options.load_yaml_text(
      "train: {loss_reduction: token, train_on_prompt: true}\ndata: {template: chat, max_length: "
      "99}\n"
      "lora: {rank: 4, alpha: 8, rslora: true}\neval: {split: eval}\n",
      "test");
  EXPECT_EQ(recipe.loss().reduction, LossReduction::kToken);
  EXPECT_EQ(recipe.loss().labels, Labels::kPromptAndAnswer);
  EXPECT_EQ(recipe.encoding().text_template, "chat");
  EXPECT_EQ(recipe.encoding().max_length, 99);
  EXPECT_DOUBLE_EQ(recipe.lora.scaling(), 4.0);
  EXPECT_EQ(recipe.evaluated_split(), Split::kEval);
  EXPECT_EQ(Recipe().lora.rank, 8);  // the paper's defaults
  EXPECT_EQ(Recipe().lora.alpha, 16);
  EXPECT_EQ(Recipe().lora.targets, (std::vector<std::string>{"q_proj", "v_proj"}));
  // What is written into a run folder reads back as it was.
  Recipe second;
  OptionList again;
  second.add_options(again);
  again.load_yaml_text(options.to_yaml(), "config.yaml");
  EXPECT_EQ(again.to_yaml(), options.to_yaml());
}

TEST(RecipePaths, AreWhatTheOptionsNameAsRead) {
  Recipe recipe;
  recipe.model = "model.gguf";
  recipe.output = "runs/mine";  // written
  recipe.data_folder = "tasks";
  recipe.tasks = {"inside", "/elsewhere/outside"};
  recipe.references = {"runs/a", "runs/b"};
  recipe.probe.text = {"text.txt"};
  EXPECT_EQ(recipe.paths(), (std::vector<std::string>{"model.gguf", "tasks", "/elsewhere/outside",
                                                      "runs/a", "runs/b", "text.txt"}));
  recipe.replace_paths(
      [](const std::string& option, const std::string& path) { return option + ":" + path; });
  EXPECT_EQ(recipe.model, "model.path:model.gguf");
  EXPECT_EQ(recipe.output, "runs/mine");
  EXPECT_EQ(recipe.tasks.at(0), "inside");
  EXPECT_EQ(recipe.tasks.at(1), "data.tasks:/elsewhere/outside");
  EXPECT_EQ(recipe.references.at(1), "eval.references:runs/b");
}

}  // namespace
}  // namespace ilora
