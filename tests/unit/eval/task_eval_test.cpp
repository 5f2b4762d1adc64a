// How tasks are scored: measures and options.
#include "eval/task_eval.h"

#include <gtest/gtest.h>

#include "base/error.h"

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

TEST(MakeTaskEval, RefusesAChoiceOfOne) {
  EXPECT_THROW(make_task_eval(task_of({"a", "a", "a"}), Split::kTest, "auto"), Error);
  EXPECT_NO_THROW(make_task_eval(task_of({"a", "a", "a"}), Split::kTest, "exact"));
}

}  // namespace
}  // namespace ilora
