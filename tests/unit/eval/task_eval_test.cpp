// How tasks are scored: measures, options, numbers in texts.
#include "eval/task_eval.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ilora {
namespace {

TEST(FirstNumber, FindsSignPointAndThousands) {
  EXPECT_EQ(first_number("12"), "12");
  EXPECT_EQ(first_number("it is -3.5 degrees"), "-3.5");
  EXPECT_EQ(first_number("1,234,567 people"), "1234567");
  EXPECT_EQ(first_number("3.14.15"), "3.14");
  EXPECT_EQ(first_number("7."), "7");
  EXPECT_EQ(first_number("7, 8"), "7");
  EXPECT_EQ(first_number("a - 7"), "7");
  EXPECT_EQ(first_number("x=-7"), "-7");
  EXPECT_EQ(first_number("12 or 13"), "12");
  EXPECT_EQ(first_number("none"), "");
  EXPECT_EQ(first_number(""), "");
}

TEST(Trimmed, TakesWhiteSpaceOffBothEnds) {
  EXPECT_EQ(trimmed("  a b\n"), "a b");
  EXPECT_EQ(trimmed("\u00a0\u3000 a \u2003"), "a");
  EXPECT_EQ(trimmed(" \n\t"), "");
  EXPECT_EQ(trimmed(""), "");
}

TEST(Measures, AreParsedByTheirNames) {
  for (const Measure m :
       {Measure::kChoice, Measure::kChoiceGenerated, Measure::kExact, Measure::kNumber})
    EXPECT_EQ(parse_measure(measure_name(m)), m);
  try {
    parse_measure("accuracy");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_NE(e.hint().find("choice-generated"), std::string::npos);
  }
}

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
  EXPECT_EQ(choice.measure, Measure::kChoice);
  EXPECT_EQ(choice.options, (std::vector<std::string>{" a", " b", " c"}));  // of all splits
  EXPECT_EQ(choice.rows.size(), 1U);

  std::vector<std::string> numbers, texts;
  for (int i = 0; i < 24; ++i) {
    numbers.push_back(fmt::format(" {}.5", i));
    texts.push_back(fmt::format("text {}", i));
  }
  EXPECT_EQ(make_task_eval(task_of(numbers), Split::kTest, "auto").measure, Measure::kNumber);
  EXPECT_EQ(make_task_eval(task_of(texts), Split::kTest, "auto").measure, Measure::kExact);
  EXPECT_TRUE(make_task_eval(task_of(texts), Split::kTest, "auto").options.empty());
  EXPECT_EQ(make_task_eval(task_of(numbers), Split::kEval, "exact").measure, Measure::kExact);
}

TEST(MakeTaskEval, RefusesAChoiceOfOne) {
  EXPECT_THROW(make_task_eval(task_of({"a", "a", "a"}), Split::kTest, "auto"), Error);
  EXPECT_NO_THROW(make_task_eval(task_of({"a", "a", "a"}), Split::kTest, "exact"));
}

}  // namespace
}  // namespace ilora
