// How tasks are scored: measures and options.
#include "eval/task_eval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "eval/measures/extract.h"

namespace ilora {
namespace {

TaskText task_of(const std::vector<std::string>& answers) {
  TaskText task{"task", {}, {}, {}};
  for (size_t i = 0; i < answers.size(); ++i) {
    auto& split = i % 3 == 0 ? task.train : i % 3 == 1 ? task.eval : task.test;
    split.push_back({"q", answers[i]});
  }
  return task;
}

TEST(MakeTaskEval, ChoosesTheMeasureByTheAnswers) {
  const TaskEval choice = make_task_eval(task_of({" b", " a", " a", " c"}), Split::kTest, "auto");
  EXPECT_EQ(choice.measure->name, std::string("choice"));
  EXPECT_EQ(choice.options, (std::vector<std::string>{" a", " b", " c"}));  // of all splits
  EXPECT_EQ(choice.rows.size(), 1U);

  std::vector<std::string> numbers, texts;
  for (int i = 0; i < 24; ++i) {
    numbers.push_back(fmt::format(" {}.5", i));
    texts.push_back(fmt::format("text {}", i));
  }
  EXPECT_EQ(make_task_eval(task_of(numbers), Split::kTest, "auto").measure->name,
            std::string("number"));
  EXPECT_EQ(make_task_eval(task_of(texts), Split::kTest, "auto").measure->name,
            std::string("exact"));
  EXPECT_TRUE(make_task_eval(task_of(texts), Split::kTest, "auto").options.empty());
  EXPECT_EQ(make_task_eval(task_of(numbers), Split::kEval, "exact").measure->name,
            std::string("exact"));
}

TEST(MakeTaskEval, EveryBuiltInDefinitionIsFitForUse) {
  ASSERT_EQ(task_definitions().size(), 25U);  // ten of TRACE and the paper, fifteen
  std::set<std::string> names;
  for (const TaskDefinition& task : task_definitions()) {
    EXPECT_TRUE(names.insert(task.name).second) << task.name;
    const Measure& measure = find_measure(task.measure);
    const Measure& generated = find_measure(task.generated);
    EXPECT_NE(generated.score, nullptr) << task.name << ": read out of generated text";
    EXPECT_EQ(measure.needs_options, !task.options.empty()) << task.name;
    EXPECT_GT(task.max_new_tokens, 0) << task.name;
    EXPECT_FALSE(task.language.empty() || task.summary.empty()) << task.name;
  }
  for (const char* name : {"C-STANCE", "FOMC", "MeetingBank", "ScienceQA", "NumGLUE-cm",
                           "20Minuten", "MedMCQA", "JEC-QA", "NumGLUE-ds", "Py150", "IMDB"})
    EXPECT_NE(find_task_definition(name), nullptr) << name;
  EXPECT_EQ(find_task_definition("fomc"), nullptr);
}

TaskText defined(const std::string& name, std::vector<Example> rows) {
  TaskText task{name, rows, rows, rows};
  task.definition = *find_task_definition(name);
  return task;
}

TEST(MakeTaskEval, TakesMeasureOptionsAndLengthOfTheDefinition) {
  const TaskText task = defined("FOMC", {{"q", "A"}, {"r", "B"}});
  const TaskEval eval = make_task_eval(task, Split::kTest, "auto");
  EXPECT_EQ(eval.measure->name, std::string("choice"));
  EXPECT_EQ(eval.options, (std::vector<std::string>{"A", "B", "C"})) << "even where no row is C";
  EXPECT_EQ(eval.max_new_tokens, task.definition.max_new_tokens);
  EXPECT_EQ(make_task_eval(task, Split::kTest, "generated").measure->name,
            std::string("choice-reference"));
  EXPECT_EQ(make_task_eval(task_of({" a", " b", " c"}), Split::kTest, "generated").measure->name,
            std::string("choice-generated"));
  EXPECT_EQ(make_task_eval(task, Split::kTest, "exact").measure->name, std::string("exact"));
}

TEST(MakeTaskEval, ALabelThatIsNoOptionNamesItsRow) {
  TaskText task = defined("FOMC", {{"q", "A"}, {"r", "dovish"}});
  task.test[1].row = 41;
  try {
    make_task_eval(task, Split::kTest, "auto");
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(),
                testing::AllOf(testing::HasSubstr("'dovish'"), testing::HasSubstr("A, B, C"),
                               testing::HasSubstr("row 41 of FOMC/test.json")));
    EXPECT_THAT(e.hint(), testing::HasSubstr("task.yaml"));
  }
}

TEST(MakeTaskEval, OptionsDoNotDependOnTheRowsThatALimitLeaves) {
  TaskText task = task_of({" b", " a", " a"});
  task.answers = {" a", " b", " c", " d"};  // what read_task found in the files
  EXPECT_EQ(make_task_eval(task, Split::kTest, "auto").options, task.answers);
  for (int i = 0; i < 30; ++i) task.answers.push_back(fmt::format("text {}", i));
  EXPECT_EQ(make_task_eval(task, Split::kTest, "auto").measure->name, std::string("exact"));
}

TEST(MakeTaskEval, OptionsOfTheDefinitionMakeAChoiceOfAnyNumberOfAnswers) {
  TaskText task = task_of({" yes", " no", " yes"});
  task.definition.options = {" yes", " no"};
  task.answers = {" no", " yes"};
  for (int i = 0; i < 30; ++i) task.answers.push_back(fmt::format("stray {}", i));
  EXPECT_EQ(make_task_eval(task, Split::kTest, "auto").measure->name, std::string("choice"));
  EXPECT_EQ(make_task_eval(task, Split::kTest, "generated").measure->name,
            std::string("choice-generated"));
  task.test.front().answer = "stray 3";
  EXPECT_THROW(make_task_eval(task, Split::kTest, "auto"), Error);
}

TEST(MakeTaskEval, ASplitWithoutRowsIsAnError) {
  TaskText task{"odd", {{"a", "1"}, {"b", "2"}}, {}, {{"c", "1"}}};
  EXPECT_NO_THROW(make_task_eval(task, Split::kTest, "choice"));
  EXPECT_THROW(make_task_eval(task, Split::kEval, "choice"), Error);
  EXPECT_THROW(make_task_eval(task, Split::kEval, "choice-letter"), Error);
}

TEST(MakeTaskEval, LettersAreThoseThatARowLists) {
  const std::string two = "Q?\n\nChoices:\nA. red\nB. blue\n\nAnswer:";
  const std::string four = "Q?\n\nChoices:\nA. red\nB. blue\nC. a\nD. b\n\nAnswer:";
  const TaskText task = defined("ScienceQA", {{two, "B\nBecause it is."}, {four, "D\nSo."}});
  const TaskEval eval = make_task_eval(task, Split::kTest, "auto");
  EXPECT_TRUE(eval.measure->by_letter);
  EXPECT_EQ(eval.options, (std::vector<std::string>{"A", "B", "C", "D"}));
  EXPECT_EQ(eval.offered(0), 2);
  EXPECT_EQ(eval.offered(1), 4);
  EXPECT_EQ(eval.right_option(0), "B");
  EXPECT_EQ(eval.right_option(1), "D");
  EXPECT_THROW(
      make_task_eval(defined("ScienceQA", {{two, "C\nno"}, {four, "A\nx"}}), Split::kTest, "auto"),
      Error);
  EXPECT_THROW(make_task_eval(defined("ScienceQA", {{"no list", "A\n"}, {four, "A\n"}}),
                              Split::kTest, "auto"),
               Error);
}

TEST(LettersOffered, CountsTheLastListFromA) {
  EXPECT_EQ(letters_offered("A. x\nB. y\nC. z"), 3U);
  EXPECT_EQ(letters_offered("A: x\nB: y\nAnswer:"), 2U);
  EXPECT_EQ(letters_offered("A) x\nB) y\nC) z\nA. u\nB. v\n"), 2U);
  EXPECT_EQ(letters_offered("A. x\nC. z"), 1U);
  EXPECT_EQ(letters_offered("Answer:\nBut.\n"), 0U);
  EXPECT_EQ(letters_offered(""), 0U);
}

TEST(MakeTaskEval, RefusesAChoiceOfOne) {
  EXPECT_THROW(make_task_eval(task_of({"a", "a", "a"}), Split::kTest, "auto"), Error);
  EXPECT_NO_THROW(make_task_eval(task_of({"a", "a", "a"}), Split::kTest, "exact"));
}

}  // namespace
}  // namespace ilora
