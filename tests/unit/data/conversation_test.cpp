// What rows of turns may say, and what is refused by its name.
#include "data/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "tests/unit/base/error_of.h"

namespace ilora {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Turns read(const std::string& json) {
  return read_turns(parse_json(json, "x"), "row 3 of x");
}

const char* const kTalk =
    R"([{"role":"system","content":"s"},{"role":"user","content":"a","name":"Ada"},
  {"role":"assistant","content":"b","weight":0},{"role":"user","content":[{"type":"text","text":"c"},
  {"type":"text","text":"d"}],"weight":0},{"role":"assistant","content":"e","train":true,"tool_calls":[]},
  {"role":"user","content":"f"}])";

TEST(ReadTurns, ReadsWhatTurnsSay) {
  const Turns turns = read(kTalk);
  ASSERT_EQ(turns.size(), 6U);
  EXPECT_EQ(turns[1], (Turn{"user", "a", {}, "Ada"}));
  EXPECT_EQ(turns[2], (Turn{"assistant", "b", false, ""}));
  EXPECT_EQ(turns[3].content, "cd");
  EXPECT_EQ(turns[3].learned, std::nullopt) << "a question is not learned anyway";
  EXPECT_EQ(turns[4].learned, true);
  EXPECT_EQ(last_answer(turns), 4U);
  EXPECT_THAT(learned_answers(turns, false), ElementsAre(4));
  EXPECT_EQ(said_before(turns, 4), "s\n\na\n\nb\n\ncd");
  EXPECT_EQ(read(turns_json(turns).dump()), turns);
}

TEST(ReadTurns, ReadsToolsAndReasoning) {
  const Turns turns = read(R"([{"role":"user","content":"a"},
      {"role":"assistant","content":null,"thinking":"t","tool_calls":[{"id":"1","type":"function",
       "function":{"name":"f","arguments":"{\"b\": 1}"}}]},
      {"role":"tool","content":"7","tool_call_id":"1"},{"role":"assistant","content":"c"}])");
  ASSERT_EQ(turns.size(), 4U);
  EXPECT_EQ(turns[1].content, "");
  EXPECT_EQ(turns[1].more, R"({"reasoning_content":"t","tool_calls":[{"id":"1","type":"function",)"
                           R"("function":{"name":"f","arguments":{"b":1}}}],"content":null})");
  EXPECT_EQ(turns[2].more, R"({"tool_call_id":"1"})");
  EXPECT_EQ(read(turns_json(turns).dump()), turns);
  EXPECT_EQ(last_answer(turns), 3U);
  EXPECT_THAT(learned_answers(turns, false), ElementsAre(1, 3));
}

TEST(ReadTurns, LearnsAllAnswersOrTheLast) {
  Turns turns = read(R"([{"role":"assistant","content":"Hi!"},{"role":"user","content":"a"},
      {"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}])");
  EXPECT_THAT(learned_answers(turns, false), ElementsAre(2, 4)) << "a greeting answers nothing";
  EXPECT_THAT(learned_answers(turns, true), ElementsAre(4));
  turns[4].learned = false;
  EXPECT_THAT(learned_answers(turns, false), ElementsAre(2));
  EXPECT_THAT(learned_answers(turns, true), IsEmpty()) << "the last is taken out";
}

TEST(ReadTurns, RefusesByName) {
  const auto refused = [](const std::string& turn) {
    return message_of([&] {
      read(R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"},)" + turn + "]");
    });
  };
  EXPECT_THAT(refused(R"({"role":"critic","content":"x"})"),
              AllOf(HasSubstr("system, user, assistant or tool, got \"critic\""),
                    HasSubstr("turn 2 of row 3")));
  EXPECT_THAT(refused(R"({"content":"x"})"), HasSubstr("a \"role\""));
  EXPECT_THAT(refused(R"({"role":"assistant","content":null,"tool_calls":[{"id":1}]})"),
              HasSubstr("a function with a \"name\""));
  EXPECT_THAT(refused(R"({"role":"assistant","content":"x","function_call":{"name":"f"}})"),
              HasSubstr("\"function_call\" is not learned from"));
  EXPECT_THAT(refused(R"({"role":"user","content":[{"type":"image_url"}]})"),
              HasSubstr("parts of type text"));
  EXPECT_THAT(refused(R"({"role":"user"})"), HasSubstr("\"content\""));
  EXPECT_THAT(refused(R"({"role":"assistant","content":"x","weight":0.5})"),
              HasSubstr("0 or 1 for \"weight\", got 0.5"));
  EXPECT_THAT(refused(R"({"role":"assistant","content":"x","weight":0,"train":true})"),
              HasSubstr("different things"));
  EXPECT_THAT(refused(R"({"role":"user","content":"x","train":true})"),
              HasSubstr("a turn of the user is to be learned"));
  EXPECT_THAT(refused(R"("x")"), HasSubstr("an object"));
  EXPECT_THAT(message_of([] { read(R"([{"role":"user","content":"a"}])"); }),
              HasSubstr("an answer"));
  EXPECT_THAT(message_of([] {
                read(R"([{"role":"system","content":"s"},{"role":"assistant","content":"a"}])");
              }),
              HasSubstr("to something"));
  EXPECT_THAT(message_of([] { read("{}"); }), HasSubstr("a list"));
}

}  // namespace
}  // namespace ilora
