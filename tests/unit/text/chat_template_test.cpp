// ChatML, against transformers' apply_chat_template (tests/golden/make_tokenizers.py), and what a
// template has to be. Other templates: jinja_test.cpp.
#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;
const fs::path kTests = fs::path(ILORA_SOURCE_DIR) / "tests";

// The tiny tokenizer with another chat template (none where empty) and, where asked, without its
// added tokens.
Tokenizer with_template(const std::string& source, bool with_tokens = true) {
  const fs::path folder = fs::temp_directory_path() / ("ilora-chat-" + std::to_string(::getpid()));
  make_folder(folder);
  std::string text = read_file(kTests / "data/tiny-tokenizer/tokenizer.json");
  if (!with_tokens) {
    for (size_t at; (at = text.find("<|im_")) != text.npos;) text.replace(at, 5, "<|mi_");
  }
  write_file_atomic(folder / "tokenizer.json", text);
  Json config = {{"bos_token", "<|endoftext|>"}};
  if (!source.empty()) config["chat_template"] = source;
  write_json(folder / "tokenizer_config.json", config);
  Tokenizer tokenizer = Tokenizer::from_folder(folder);
  fs::remove_all(folder);
  return tokenizer;
}

TEST(ChatTemplate, RendersAsTransformers) {
  const Json cases = read_json(kTests / "golden/tokenizers/chat.json");
  ASSERT_GE(cases.size(), 20u);
  for (const Json& entry : cases) {
    const ChatTemplate chat(with_template(entry["template"].get<std::string>()));
    const auto user = entry["user"].get<std::string>();
    EXPECT_EQ(chat.prompt(user), entry["prompt"].get<std::string>());
    EXPECT_EQ(chat.exchange(user, entry["answer"].get<std::string>()),
              entry["exchange"].get<std::string>());
    EXPECT_EQ(chat.turn_end(), 2);
  }
}

TEST(ChatTemplate, OfTheTinyTokenizer) {
  const Tokenizer tokenizer = Tokenizer::from_folder(kTests / "data/tiny-tokenizer");
  const std::string prompt = ChatTemplate(tokenizer).prompt("Hi");
  EXPECT_EQ(prompt,
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
            "Face<|im_end|>\n"
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  const auto ids = tokenizer.encode(prompt, true);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 1), 3);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 2), 2);
  EXPECT_EQ(tokenizer.decode(ids, false), prompt);
}

void expect_unknown(const Tokenizer& tokenizer, const std::string& part) {
  try {
    const ChatTemplate chat(tokenizer);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_THAT(error.what(), testing::HasSubstr(part));
    EXPECT_THAT(error.hint(), testing::HasSubstr("template: raw"));
  }
}

TEST(ChatTemplate, WhatCannotBeUsedIsAnError) {
  const auto known =
      read_json(kTests / "golden/tokenizers/chat.json")[0]["template"].get<std::string>();
  expect_unknown(with_template(""), "got none");
  expect_unknown(with_template(known, false), "'<|im_end|>");  // no token of the vocabulary
  expect_unknown(with_template(known.substr(0, known.size() - 5)), "without its end");
  expect_unknown(with_template("{% include 'f' %}"), "'include'");
  expect_unknown(with_template("{{ messages[0]['content'] | rot13 }}"), "'rot13'");
  expect_unknown(with_template("nothing"), "leaves a text out");
  const std::string twice = "{{ messages[0].content + messages[0].content }}";
  expect_unknown(with_template(twice), "more than once");
}

// Turns of other marks than ChatML's: what ends the assistant's is found by writing one.
TEST(ChatTemplate, FindsTheEndOfATurn) {
  const Tokenizer tokenizer = with_template(
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content | trim }} "
      "{% if m.role == 'assistant' %}<|im_end|>{% else %}<|im_start|>{% endif %}{% endfor %}"
      "{% if add_generation_prompt %}[assistant] {% endif %}");
  const ChatTemplate chat(tokenizer);
  EXPECT_EQ(chat.turn_end(), 2);
  EXPECT_EQ(chat.head(), "<|endoftext|>[user] ");
  EXPECT_EQ(chat.tail(), " <|im_start|>[assistant] ");
  EXPECT_EQ(chat.prompt(" Hi "), "<|endoftext|>[user] Hi <|im_start|>[assistant] ");
  const ChatMessage turns[] = {{"system", "s"}, {"user", "a"}, {"assistant", "b"}, {"user", "c"}};
  EXPECT_EQ(chat.render(turns, false),
            "<|endoftext|>[system] s <|im_start|>[user] a <|im_start|>[assistant] b "
            "<|im_end|>[user] c <|im_start|>");
}

TEST(ChatTemplate, WhatTheTemplateRefusesIsAnErrorOfTheData) {
  const ChatTemplate chat(with_template(
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
      "{% endif %}{{ m.content }}<|im_end|>{% endfor %}"));
  const ChatMessage turns[] = {{"system", "s"}, {"user", "a"}};
  try {
    chat.render(turns, true);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_THAT(error.what(), testing::HasSubstr("no system"));
  }
}

}  // namespace
}  // namespace ilora
