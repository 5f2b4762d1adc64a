// ChatML, against transformers' apply_chat_template (tests/golden/make_tokenizers.py), and
// templates not known.
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

TEST(ChatTemplate, AnythingElseIsAnError) {
  const auto known =
      read_json(kTests / "golden/tokenizers/chat.json")[0]["template"].get<std::string>();
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string source = known;
    const size_t at = source.find(from);
    EXPECT_NE(at, source.npos) << from;
    return source.replace(at, from.size(), to);
  };
  const std::string unknown[] = {
      "{{ messages[0]['content'] }}",
      changed("message['content']", "message['content'] | trim"),
      changed("{% endfor %}", "{% endfor %}text"),
      changed("{% endfor %}", "{% endfor %} \n"),        // would be rendered
      changed("<|im_end|>' + '\n'}}", "<|im_end|>'}}"),  // no newline after a turn
      changed("<|im_start|>assistant", "<|im_start|>bot"),
      changed("loop.first and ", ""),
      changed("{% if add_generation_prompt %}", "{# c #}{% if add_generation_prompt %}"),
      " " + known,
      known + "{{ eos_token }}",
      known.substr(0, known.size() - 5),
  };
  for (const std::string& source : unknown) {
    SCOPED_TRACE(source);
    expect_unknown(with_template(source), "not known");
  }
  expect_unknown(with_template(""), "got none");
  expect_unknown(with_template(known, false), "<|im_start|>");
}

}  // namespace
}  // namespace ilora
