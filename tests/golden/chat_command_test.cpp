// `ilora chat` through a pipe: lines in, answers out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "tests/run_fixture.h"

namespace ilora::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Talk {
  int code = 0;
  std::vector<std::string> lines;
  std::string err;
};

class ChatCommand : public ::testing::Test {
 protected:
  Talk talk(const std::string& arguments, const std::string& said, int tokens = 4) {
    write_file_atomic(folder_ / "in", said);
    const std::string at = (folder_ / "").string(),
                      command = fmt::format("{} chat {} --max-new-tokens {} <{}in >{}out 2>{}err",
                                            ILORA_BINARY, arguments, tokens, at, at, at);
    Talk talk{std::system(command.c_str()), {}, read_file(folder_ / "err")};
    std::istringstream out(read_file(folder_ / "out"));
    for (std::string line; std::getline(out, line);) talk.lines.push_back(line);
    return talk;
  }

  const TemporaryFolder folder_;
  const std::string model_ = data_folder("tiny-model").string();
};

TEST_F(ChatCommand, RemembersUntilItIsReset) {
  const Talk alone = talk(model_ + " --mode f32", "hello\n");
  ASSERT_EQ(alone.code, 0) << alone.err;
  ASSERT_EQ(alone.lines.size(), 1U);
  const Talk long_talk =
      talk(model_ + " --mode f32", "hello\nhello\n/reset\nhello\n/quit\nhello\n");
  ASSERT_EQ(long_talk.code, 0) << long_talk.err;
  ASSERT_EQ(long_talk.lines.size(), 3U);
  EXPECT_EQ(long_talk.lines[0], alone.lines[0]);
  EXPECT_EQ(long_talk.lines[2], alone.lines[0]) << "after /reset nothing was said before";
}

TEST_F(ChatCommand, AnAnswerEndsAtAStopText) {
  const Talk whole = talk(model_ + " --mode f32", "hello\n", 8);
  ASSERT_EQ(whole.code, 0) << whole.err;
  ASSERT_EQ(whole.lines.size(), 1U);
  const std::string& text = whole.lines[0];
  const auto letter = std::find_if(text.begin() + 1, text.end(),
                                   [](unsigned char c) { return c < 128 && std::isalnum(c) != 0; });
  ASSERT_NE(letter, text.end()) << text;
  const std::string stop(1, *letter), before = text.substr(0, text.find(stop));
  const Talk cut = talk(fmt::format("{} --mode f32 --stop {}", model_, stop), "hello\n", 8);
  ASSERT_EQ(cut.code, 0) << cut.err;
  EXPECT_EQ(cut.lines[0], before);
  const Outcome answered =
      run_ilora(folder_, {"generate", "hello", "hello", "--model", model_, "--template", "chat",
                          "--mode", "f32", "--max-new-tokens", "8", "-r", stop, "--json"});
  ASSERT_EQ(answered.code, 0) << answered.all();
  for (const Json& one : parse_json(answered.out, "answers")) EXPECT_EQ(one.at("answer"), before);
  EXPECT_NE(talk(model_ + " --stop ''", "hello\n").code, 0);
}

TEST_F(ChatCommand, TalksWithARunsLearners) {
  const fs::path run = folder_ / "run";
  ASSERT_EQ(run_ilora(folder_, train_arguments(tiny_settings(
                                   run, "ilora", {"train.epochs=1", "data.tasks=alpha"})))
                .code,
            0);
  const Talk both = talk(run.string(),
                         "hello\n/learner fast\n/reset\nhello\n/learner none\n/reset\nhello\n"
                         "/learner 0\n/reset\nhello\n/learner 1\n/reset\nhello\n/learner 0.4\n"
                         "/reset\nhello\n/learner 1.4\n");
  EXPECT_EQ(both.code, 0) << "a learner that there is not ends nothing";
  const Talk adapted = talk(run.string() + " --adapter elsewhere", "hello\n");
  EXPECT_NE(adapted.code, 0);
  EXPECT_THAT(adapted.err, HasSubstr("adapters of its own"));
  ASSERT_EQ(both.lines.size(), 6U);
  EXPECT_EQ(both.lines[2], both.lines[1]) << "who answered before still does";
  EXPECT_EQ(both.lines[3], both.lines[0]);
  EXPECT_EQ(both.lines[4], both.lines[1]);
  EXPECT_THAT(both.err,
              AllOf(HasSubstr("data.template: raw"), HasSubstr("none"),
                    HasSubstr("now 0.4 answers"), HasSubstr("from 0 (slow) to 1 (fast), got 1.4")));
  const Talk point = talk(run.string() + " --learner 0.4", "hello\n");
  ASSERT_EQ(point.code, 0) << point.err;
  EXPECT_EQ(point.lines[0], both.lines[5]);
}

TEST_F(ChatCommand, AConversationThatNoLongerFitsIsNoEnd) {
  const std::string words(6000, 'x');
  const Talk full = talk(model_ + " --mode f32", words + " " + words + "\nhello\n");
  ASSERT_EQ(full.code, 0) << full.err;
  EXPECT_THAT(full.err, HasSubstr("/reset"));
  EXPECT_EQ(full.lines.size(), 1U) << "the next question is answered";
}

}  // namespace
}  // namespace ilora::testing
