// What a run says of its chat template before it begins.
#include "train/run_warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ilora {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Heard : TrainingObserver {
  std::vector<std::string> said;
  void warning(const std::string& text) override { said.push_back(text); }
};

TEST(RunWarnings, SayWhatATemplateDoesWithTheDateAndWithNames) {
  Recipe recipe;
  recipe.text_template = "chat";
  TaskText task;
  task.name = "talks";
  task.train = {conversation_of({{"user", "a", {}, "Ada"}, {"assistant", "b"}}),
                conversation_of({{"user", "a"}, {"assistant", "b"}})};
  const auto said = [&](const char* source) {
    Heard heard;
    warn_of_template({task}, source, recipe, heard);
    return heard.said;
  };
  EXPECT_THAT(said("{{ strftime_now('%d') }}{{ m.content }}"),
              ElementsAre(HasSubstr("26 July 2024"),
                          HasSubstr("talks: 1 training rows have names in turns")));
  EXPECT_THAT(
      said("{% if strftime_now is defined %}{{ strftime_now('%d') }}{% endif %}{{ m.name }}"),
      IsEmpty());
  recipe.text_template = "raw";
  EXPECT_THAT(said("{{ strftime_now('%d') }}"), IsEmpty());
}

}  // namespace
}  // namespace ilora
