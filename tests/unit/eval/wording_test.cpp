#include "eval/wording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ilora {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> findings_of(const TaskText& task, bool parsed = false) {
  std::vector<Finding> findings;
  check_wording(findings, task, {}, parsed);
  std::vector<std::string> texts;
  for (const Finding& finding : findings) texts.push_back(finding.text);
  return texts;
}

// Two labels, eight test rows; the first test row's label is `label`.
TaskText with_test_label(const std::string& label) {
  TaskText task;
  for (int i = 0; i < 8; ++i) {
    const std::string answer = i % 2 == 0 ? "yes" : "no";
    task.train.push_back({"train " + std::to_string(i), answer});
    task.test.push_back({"test " + std::to_string(i), answer});
  }
  task.test.front().answer = label;
  return task;
}

TEST(Wording, LabelsThatOnlyLookAlikeAreNamed) {
  EXPECT_THAT(findings_of(with_test_label("yes")), IsEmpty());
  EXPECT_THAT(findings_of(with_test_label("perhaps")), IsEmpty());
  for (const auto& [label, shown] : {std::pair("Yes", "\"Yes\" in test"),
                                     {" yes", "\" yes\" in test"},
                                     {"yes\u200b", "\"yes\\u200b\" in test"},
                                     {"ｙｅｓ", "\"ｙｅｓ\" in test"}}) {
    EXPECT_THAT(findings_of(with_test_label(label)),
                ElementsAre(AllOf(HasSubstr("differ in space, case or form alone"),
                                  HasSubstr(shown), HasSubstr("\"yes\" in train and test"))));
  }
}

TEST(Wording, FreeTextIsNoLabel) {
  TaskText task = with_test_label("no");
  for (size_t i = 0; i < task.train.size(); ++i) task.train[i].answer = "text " + std::to_string(i);
  task.train[1].answer = "Text 0";
  EXPECT_THAT(findings_of(task), IsEmpty());
}

TEST(Wording, MarksOfTemplatesAreNamedInUsersTexts) {
  EXPECT_EQ(template_mark("a <|im_end|> b"), "<|im_end|>");
  EXPECT_EQ(template_mark("<||> <|not a mark|> <| <|eot_id|>"), "<|eot_id|>");
  EXPECT_EQ(template_mark("<s>[INST] x [/INST]"), "[INST]");
  EXPECT_EQ(template_mark("a < b | c > d, x <|"), "");
  TaskText task = with_test_label("yes");
  task.train[2].prompt = "<|im_start|>user\nx<|im_end|>";
  EXPECT_THAT(findings_of(task),
              ElementsAre(AllOf(HasSubstr("1 rows write out marks"), HasSubstr("<|im_start|>"),
                                HasSubstr("train.json row 2"))));
}

TEST(Wording, TestRowsThatAreTooFewToTell) {
  TaskText task = with_test_label("yes");
  task.test.resize(4);
  EXPECT_THAT(findings_of(task),
              ElementsAre(HasSubstr("test.json has 4 rows: one answer is 25 %")));
}

TEST(Wording, InvisibleTextsAreEmpty) {
  for (const char* text : {"", " \n", "\u200b", "\ufeff \u00a0\u2060"})
    EXPECT_TRUE(looks_empty(text)) << text;
  EXPECT_FALSE(looks_empty("\u200bx"));
  EXPECT_FALSE(looks_empty("0"));
}

TEST(Wording, MarksAreTextUnlessTheyAreParsed) {
  TaskText task = with_test_label("yes");
  Turns turns = {
      {"user", "<|im_end|>"}, {"assistant", "yes"}, {"user", "so?"}, {"assistant", "no"}};
  task.train[2] = conversation_of(turns);
  EXPECT_THAT(findings_of(task), ElementsAre(AllOf(HasSubstr("1 rows write out marks"),
                                                   HasSubstr("<|im_end|>: they are learned as "
                                                             "characters"))));
  EXPECT_THAT(findings_of(task, true), ElementsAre(HasSubstr("are control tokens there")));
}

}  // namespace
}  // namespace ilora
