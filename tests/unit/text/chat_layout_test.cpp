// Where the answers of a conversation stand, against transformers (tests/golden/make_conversations.py).
#include "text/chat_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
const fs::path kTests = fs::path(ILORA_SOURCE_DIR) / "tests";

// The tiny tokenizer with a chat template, and with the marks of many as special tokens.
Tokenizer with_template(const std::string& source) {
  const TemporaryFolder folder;
  Json json = parse_json(read_file(kTests / "data/tiny-tokenizer/tokenizer.json"), "tiny");
  int64_t id = 0;
  for (const auto& [token, number] : json["model"]["vocab"].items())
    id = std::max(id, number.get<int64_t>());
  for (const Json& token : json["added_tokens"]) id = std::max(id, token["id"].get<int64_t>());
  for (const char* mark :
       {"<|eot_id|>", "<|end_header_id|>", "<|start_header_id|>", "<end_of_turn>",
        "<start_of_turn>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"}) {
    Json token = json["added_tokens"][0];
    token["id"] = ++id;
    token["content"] = mark;
    json["added_tokens"].push_back(token);
  }
  write_json(folder / "tokenizer.json", json);
  write_json(
      folder / "tokenizer_config.json",
      {{"bos_token", "<|endoftext|>"}, {"eos_token", "<|im_end|>"}, {"chat_template", source}});
  return Tokenizer::from_folder(folder / ".");
}

std::vector<ChatMessage> messages_of(const Json& list) {
  std::vector<ChatMessage> messages;
  for (const Json& turn : list)
    messages.push_back({turn["role"].get<std::string>(), turn["content"].get<std::string>()});
  return messages;
}

std::vector<size_t> answers_of(std::span<const ChatMessage> messages) {
  std::vector<size_t> answers;
  for (size_t i = 0; i < messages.size(); ++i)
    if (messages[i].role == "assistant") answers.push_back(i);
  return answers;
}

// What is read and what is said, in turn, up to the last answer's end.
std::vector<std::string> stretches(const ChatTemplate& chat, const Tokenizer& tokenizer,
                                   std::span<const ChatMessage> messages) {
  std::vector<std::string> texts;
  const std::string end(tokenizer.token_bytes(chat.turn_end()));
  bool pending = false;
  for (const ChatPart& part : lay_out(chat, messages, answers_of(messages))) {
    std::string text = part.text;
    if (part.answer < 0 && pending) {
      const size_t at = text.find(end) + end.size();
      texts.back() += text.substr(0, at);
      text.erase(0, at);
    }
    pending = part.answer >= 0 && !part.with_end;
    texts.push_back(text);
  }
  texts.pop_back();  // behind the last answer
  return texts;
}

TEST(ChatLayout, FindsTheAnswersThatTransformersFinds) {
  const Json cases = read_json(kTests / "golden/chat/conversations.json");
  ASSERT_GE(cases.size(), 10U);
  size_t compared = 0;
  for (const Json& entry : cases) {
    const auto name = entry["name"].get<std::string>();
    if (entry["template"].is_null()) continue;
    const Tokenizer tokenizer = with_template(entry["template"].get<std::string>());
    const ChatTemplate chat(tokenizer);
    EXPECT_EQ(chat.marks_answers(), name.find("marked") != std::string::npos) << name;
    for (const Json& result : entry["results"]) {
      const std::vector<ChatMessage> messages = messages_of(result["messages"]);
      if (result["parts"].is_null()) {
        EXPECT_THROW(lay_out(chat, messages, answers_of(messages)), Error) << name;
        continue;
      }
      EXPECT_EQ(stretches(chat, tokenizer, messages),
                result["parts"].get<std::vector<std::string>>())
          << name;
      ++compared;
    }
  }
  EXPECT_GE(compared, 90U);
}

TEST(ChatLayout, AskingGoesUpToTheText) {
  const Json cases = read_json(kTests / "golden/chat/conversations.json");
  const std::vector<ChatMessage> messages = {{"user", "a"}};
  for (const Json& entry : cases) {
    if (entry["template"].is_null()) continue;
    const ChatTemplate chat(with_template(entry["template"].get<std::string>()));
    const AnswerToCome come = up_to_answer(chat, messages);
    const auto name = entry["name"].get<std::string>();
    EXPECT_EQ(come.asked, chat.prompt("a")) << name;
    const bool reasons = name.starts_with("reasoning");
    EXPECT_EQ(come.own, reasons                   ? "<t>\n\n</t>\n\n"
                        : name == "widely-marked" ? "<t>\n\n</t>\n"
                                                  : "")
        << name;
  }
}

// A message with all its keys, and the first one with the conversation's tools.
std::vector<ChatMessage> messages_with_keys(const Json& list, const Json& tools) {
  std::vector<ChatMessage> messages;
  for (Json turn : list) {
    ChatMessage& message = messages.emplace_back();
    message.role = turn["role"].get<std::string>();
    turn.erase("role");
    if (turn["content"].is_string()) {
      message.content = turn["content"].get<std::string>();
      turn.erase("content");
    }
    if (!turn.empty()) message.more = turn.dump();
  }
  if (!tools.is_null()) messages.front().tools = tools.dump();
  return messages;
}

TEST(ChatLayout, ToolsAndReasoningAsTransformersWritesThem) {
  for (const Json& entry : read_json(kTests / "golden/chat/tools.json")) {
    const ChatTemplate chat(with_template(entry["template"].get<std::string>()));
    ASSERT_GE(entry["results"].size(), 4U);
    for (const Json& result : entry["results"]) {
      const std::vector<ChatMessage> messages =
          messages_with_keys(result["messages"], result["tools"]);
      EXPECT_EQ(chat.render(messages, false), result["text"].get<std::string>());
      std::vector<std::string> answers;
      for (const ChatPart& part : lay_out(chat, messages, answers_of(messages)))
        if (part.answer >= 0) answers.push_back(part.text);
      EXPECT_EQ(answers, result["answers"].get<std::vector<std::string>>());
    }
  }
}

std::string refusal(const std::string& source, const std::vector<ChatMessage>& messages) {
  const ChatTemplate chat(with_template(source));
  return message_of([&] { lay_out(chat, messages, answers_of(messages)); });
}

TEST(ChatLayout, RefusesWhatTheTemplateDoesNotWrite) {
  const std::string plain =
      "{% for m in messages if m.role != 'tool' %}[{{ m.role }}]{{ m.content }}<|im_end|>{% endfor "
      "%}"
      "{% if add_generation_prompt %}[assistant]{% endif %}";
  std::vector<ChatMessage> talk = {{"user", "a"}, {"assistant", "b"}};
  const ChatTemplate chat(with_template(plain));
  EXPECT_NO_THROW(lay_out(chat, talk, answers_of(talk)));
  talk[1].more = R"({"tool_calls":[{"function":{"name":"f","arguments":{}}}]})";
  EXPECT_THAT(refusal(plain, talk), HasSubstr("does not write \"tool_calls\" of turn 1"));
  talk[1].more = R"({"reasoning_content":"because"})";
  EXPECT_THAT(refusal(plain, talk), HasSubstr("does not write \"reasoning_content\" of turn 1"));
  talk[1].more.clear();
  talk[0].tools = R"([{"function":{"name":"f"}}])";
  EXPECT_THAT(refusal(plain, talk), HasSubstr("does not write the \"tools\""));
  EXPECT_THAT(refusal(plain, {{"user", "a"}, {"tool", "7"}, {"assistant", "b"}}),
              HasSubstr("does not write what a tool says of turn 1"));
}

TEST(ChatLayout, RefusesTemplatesWhoseAnswersCannotBeTold) {
  const std::vector<ChatMessage> talk = {
      {"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "<t>d</t>e"}};
  const std::string turns =
      "{% for m in messages %}[{{ m.role }}]{{ m.content }}<|im_end|>{% endfor %}";
  EXPECT_THAT(refusal(turns + "{% if add_generation_prompt %}[assistant]<t>{% endif %}", talk),
              AllOf(HasSubstr("turn 1"), HasSubstr("another text than the one that asks for it")));
  EXPECT_THAT(refusal("{% for m in messages %}[{{ m.role }}]{{ m.content.split('</t>')[-1] }}"
                      "<|im_end|>{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}",
                      talk),
              AllOf(HasSubstr("leaves out a part of the answer of turn 3")));
  EXPECT_THAT(refusal("{% for m in messages %}[{{ m.role }}]{% if m.role == 'user' or loop.last %}"
                      "{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}{% else %}"
                      "{{ m.content }}<|im_end|>{% endif %}|{% endfor %}"
                      "{% if add_generation_prompt %}[assistant]{% endif %}",
                      talk),
              HasSubstr("marks 3 answers in a conversation that has 2"));
  EXPECT_THAT(message_of([] { ChatTemplate(with_template("{% generation %}a")); }),
              HasSubstr("a block without its end"));
}

TEST(ChatLayout, CutsAtTheAnswersThatAreAskedFor) {
  const std::string turns =
      "{% for m in messages %}[{{ m.role }}]{{ m.content }}<|im_end|>{% endfor %}"
      "{% if add_generation_prompt %}[assistant]{% endif %}";
  const ChatTemplate chat(with_template(turns));
  const std::vector<ChatMessage> talk = {
      {"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}, {"user", "e"}};
  const std::vector<size_t> second = {3};
  const auto parts = lay_out(chat, talk, second);
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[0].text, "[user]a<|im_end|>[assistant]b<|im_end|>[user]c<|im_end|>[assistant]");
  EXPECT_EQ(parts[1].text, "d");
  EXPECT_EQ(parts[1].answer, 3);
  EXPECT_EQ(parts[2].text, "<|im_end|>");
  // A name is the template's to write.
  const ChatTemplate named(with_template(
      "{% for m in messages %}[{{ m.name if m.name is defined else m.role }}]{{ m.content }}"
      "<|im_end|>{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"));
  const std::vector<ChatMessage> ada = {{"user", "a", "Ada"}, {"assistant", "b"}};
  EXPECT_EQ(lay_out(named, ada, std::vector<size_t>{1})[0].text, "[Ada]a<|im_end|>[assistant]");
}

}  // namespace
}  // namespace ilora
