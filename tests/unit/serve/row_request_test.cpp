#include "serve/row_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "serve/request_error.h"

namespace ilora {
namespace {

struct Rows {
  Rows() {
    recent.add("chat-1",
               {{{"system", "Be brief."}, {"user", "Hi"}, {"assistant", "Ho"}, {"user", "And?"}},
                {},
                "wrong"});
    recent.add("chat-2", {{{"user", "Hi"}}, {}, " wrong"});
    recent.add("text-1", {{}, "Once upon", " a time"});
  }
  Example read(const char* text, bool chat) const {
    return read_taught_row(parse_json(text, "test"), recent, chat, "row 0");
  }
  int status(const char* text, bool chat) const {
    try {
      read(text, chat);
    } catch (const RequestError& e) {
      return e.status;
    } catch (const Error& e) {
      return kBadRequest;
    }
    return 200;
  }
  RecentAnswers recent;
};

TEST(RowRequest, RowsInEachForm) {
  const Rows rows;
  EXPECT_EQ(rows.read(R"({"prompt": "a", "answer": "b"})", false).answer, "b");
  const Example talk = rows.read(
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})",
      true);
  EXPECT_EQ(talk.turns.size(), 2u);
  const Example plain = rows.read(
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})",
      false);
  EXPECT_TRUE(plain.turns.empty()) << "of a run that learns prompts as they stand";
  EXPECT_EQ(plain.prompt, "a");
  EXPECT_EQ(read_taught_lines("{\"prompt\": \"a\", \"answer\": \"b\"}\n\n"
                              "{\"prompt\": \"c\", \"answer\": \"d\"}",
                              false)
                .size(),
            2u);
}

TEST(RowRequest, ACorrectionHasTheQuestionThatWasAnswered) {
  const Rows rows;
  const Example chat = rows.read(R"({"id": "chat-1", "answer": "right"})", true);
  ASSERT_EQ(chat.turns.size(), 5u);
  EXPECT_EQ(chat.turns.back().content, "right");
  EXPECT_EQ(chat.turns[2].learned, false) << "what was said before is not taught";
  EXPECT_EQ(learned_answers(chat.turns, false), std::vector<size_t>{4});
  EXPECT_EQ(rows.read(R"({"id": "chat-2", "answer": "right"})", false).answer, " right")
      << "with the space that an answer begins with";
  const Example text = rows.read(R"({"id": "text-1", "answer": "in the west"})", false);
  EXPECT_EQ(text.prompt, "Once upon");
  EXPECT_EQ(text.answer, " in the west");
  EXPECT_EQ(rows.status(R"({"id": "unknown", "answer": "x"})", true), kNotFound);
}

TEST(RowRequest, WhatSaysNothingOrSomethingElseIsRefused) {
  const Rows rows;
  for (const char* wrong :
       {"{}", "[]", R"({"prompt": "a"})", R"({"prompt": " ", "answer": "b"})",
        R"({"prompt": "a", "answer": "b", "label": 1})", R"({"id": "chat-1", "answer": ""})",
        R"({"messages": [{"role": "user", "content": "a"}]})", R"({"messages": 3})"}) {
    EXPECT_EQ(rows.status(wrong, true), kBadRequest) << wrong;
    EXPECT_EQ(rows.status(wrong, false), kBadRequest) << wrong;
  }
  EXPECT_EQ(rows.status(R"({"id": "chat-1", "answer": "right"})", false), kBadRequest)
      << "a conversation, for a run that learns prompts as they stand";
}

}  // namespace
}  // namespace ilora
