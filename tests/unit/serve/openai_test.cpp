#include "serve/openai.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"

namespace ilora {
namespace {

using ::testing::HasSubstr;

Tokenizer tokenizer() {
  return Tokenizer::from_folder(ILORA_SOURCE_DIR "/tests/data/tiny-model");
}

template <class Read>
std::string problem(Read read, const char* text) {
  try {
    read(parse_json(text, "test"));
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}

TEST(OpenAi, AChatIsReadWithAllThatItAsksFor) {
  const AnswerRequest r = read_chat_request(parse_json(R"({
      "model": "m", "messages": [{"role": "developer", "content": "Be brief."},
                                 {"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
      "max_tokens": 3, "max_completion_tokens": 5, "temperature": 0.7, "top_p": 0.9, "top_k": -1,
      "min_p": 0.1, "seed": -1, "stop": "\n", "n": 2, "stream": true,
      "stream_options": {"include_usage": true}, "logprobs": true, "top_logprobs": 4,
      "presence_penalty": 0, "user": "someone", "lora": [{"id": 0, "scale": 0.5}]})",
                                                       "test"));
  EXPECT_EQ(r.model, "m");
  ASSERT_EQ(r.said.size(), 2u);
  EXPECT_EQ(r.said[0].role, "system");
  EXPECT_EQ(r.said[1].content, "Hi");
  EXPECT_EQ(r.max_new_tokens, 5);
  EXPECT_EQ(r.sampling.temperature, 0.7);
  EXPECT_EQ(r.sampling.top_k, 0);
  EXPECT_EQ(r.seed, ~uint64_t{0});
  EXPECT_EQ(r.stops, std::vector<std::string>{"\n"});
  EXPECT_EQ(r.choices, 2);
  EXPECT_TRUE(r.stream && r.stream_usage && r.scores);
  EXPECT_EQ(r.alternatives, 4);
  EXPECT_EQ(r.lora_scale, 0.5);
}

TEST(OpenAi, APromptIsATextOrTokensOrAListOfEither) {
  const auto prompts = [](const char* prompt) {
    return read_completion_request(parse_json(fmt::format("{{\"prompt\": {}}}", prompt), "test"))
        .prompts;
  };
  using Tokens = std::vector<int32_t>;
  EXPECT_EQ(std::get<std::string>(prompts("\"a\"").at(0)), "a");
  EXPECT_EQ(std::get<Tokens>(prompts("[1, 2]").at(0)), (Tokens{1, 2}));
  EXPECT_EQ(prompts("[\"a\", \"b\"]").size(), 2u);
  const auto lists = prompts("[[1], [2, 3]]");
  ASSERT_EQ(lists.size(), 2u);
  EXPECT_EQ(std::get<Tokens>(lists[1]), (Tokens{2, 3}));
  for (const char* wrong :
       {"{\"prompt\": 3}", "{\"prompt\": [[]]}", "{\"prompt\": [-1]}", "{\"prompt\": [1.5]}",
        "{\"prompt\": [1, \"a\"]}", "{\"prompt\": []}", "{\"prompt\": [9999999999]}", "{}"})
    EXPECT_THAT(problem(read_completion_request, wrong), HasSubstr("prompt")) << wrong;
}

TEST(OpenAi, WhatIsNotHonouredIsNamed) {
  const std::string hi = R"({"messages": [{"role": "user", "content": "Hi"}], )";
  for (const char* field :
       {"\"tools\": [{\"type\": \"function\"}]", "\"response_format\": {\"type\": \"json_object\"}",
        "\"presence_penalty\": 1", "\"logit_bias\": {\"5\": 1}", "\"frobnicate\": 1",
        "\"top_logprobs\": 99", "\"n\": 0"}) {
    const std::string name = std::string(field).substr(1, std::string(field).find('"', 1) - 1);
    EXPECT_THAT(problem(read_chat_request, (hi + field + "}").c_str()), HasSubstr(name));
  }
  EXPECT_THAT(problem(read_chat_request, R"({"messages": []})"), HasSubstr("question"));
  EXPECT_THAT(
      problem(read_chat_request, R"({"messages": [{"role": "assistant", "content": "x"}]})"),
      HasSubstr("question"));
  EXPECT_THAT(problem(read_chat_request, R"({"messages": [{"role": "user", "content": "Look",
                       "image": "x"}]})"),
              HasSubstr("image"));
  EXPECT_THAT(problem(read_chat_request, "{}"), HasSubstr("messages"));
  EXPECT_THAT(problem(read_completion_request, R"({"prompt": "x", "best_of": 3})"),
              HasSubstr("best_of"));
}

TEST(OpenAi, RepliesHaveTheKeysThatClientsRead) {
  const Tokenizer t = tokenizer();
  const ReplyHead head{"id-1", 5, "m"};
  ReplyChoice choice;
  choice.part.text = "ab";
  choice.part.scores = {{10, {}}, {11, -0.5, {{12, -0.25}, {11, -0.5}}}};
  choice.ending = Ending::kLength;
  const Json whole = completion_reply(head, {choice}, {3, 2}, true, t);
  EXPECT_EQ(whole["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(whole["usage"]["total_tokens"], 5);
  const Json& scores = whole["choices"][0]["logprobs"];
  EXPECT_TRUE(scores["token_logprobs"][0].is_null()) << "of a prompt's first token";
  EXPECT_EQ(scores["token_logprobs"][1], -0.5);
  EXPECT_EQ(scores["top_logprobs"][1].size(), 2u);
  EXPECT_EQ(scores["text_offset"][1], static_cast<int64_t>(std::string(t.token_bytes(10)).size()));
  choice.part.scores.erase(choice.part.scores.begin());
  choice.ending = Ending::kStop;
  const Json chat = chat_reply(head, {choice}, {3, 2}, true, t);
  EXPECT_EQ(chat["choices"][0]["message"]["content"], "ab");
  EXPECT_EQ(chat["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(chat["choices"][0]["logprobs"]["content"][0]["top_logprobs"][0]["logprob"], -0.25);
  EXPECT_TRUE(chat_reply(head, {choice}, {3, 2}, false, t)["choices"][0]["logprobs"].is_null());
  choice.ending.reset();
  const Json chunk = chat_chunk(head, choice, true, false, t);
  EXPECT_EQ(chunk["choices"][0]["delta"]["role"], "assistant");
  EXPECT_TRUE(chunk["choices"][0]["finish_reason"].is_null());
  EXPECT_FALSE(chat_chunk(head, choice, false, false, t)["choices"][0]["delta"].contains("role"));
  EXPECT_TRUE(usage_chunk(head, "x", {1, 2})["choices"].empty());
}

}  // namespace
}  // namespace ilora
