// Tokenizers and the chat templates that come with them.
#include <stdexcept>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "tests/fuzz/targets.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace ilora::fuzz {
namespace {

void use(const Tokenizer& tokenizer) {
  for (const char* text : {"Hello, wörld! 123", "\xff<s>", " \n日本語"}) {
    const std::vector<int32_t> ids = tokenizer.encode(text, true);
    for (const int32_t id : ids)
      if (id < 0 || id >= tokenizer.vocabulary_size()) throw std::logic_error("no such token");
    const std::string again = tokenizer.decode(ids, false);
    if (find_invalid_utf8(again) < again.size()) throw std::logic_error("decoded to no UTF-8");
  }
}

}  // namespace

void read_tokenizer_json(std::string_view bytes) {
  use(Tokenizer::from_folder(scratch_file("tokenizer_json/tokenizer.json", bytes).parent_path()));
}

void read_tokenizer_model(std::string_view bytes) {
  use(Tokenizer::from_folder(scratch_file("tokenizer_model/tokenizer.model", bytes).parent_path()));
}

void read_chat_template(std::string_view bytes) {
  static const std::string tokenizer =
      read_file(source_file("tests/data/tiny-tokenizer/tokenizer.json"));
  static const Json config =
      parse_json(read_file(source_file("tests/data/tiny-tokenizer/tokenizer_config.json")), "x");
  scratch_file("chat/tokenizer.json", tokenizer);
  Json with = config;
  with["chat_template"] = std::string(bytes);
  const auto folder = scratch_file("chat/tokenizer_config.json", json_text(with)).parent_path();
  const ChatTemplate chat(Tokenizer::from_folder(folder));
  const std::vector<ChatMessage> messages = {
      {"system", "Be brief."}, {"user", "One?"}, {"assistant", "1"}, {"user", "Two?"}};
  static_cast<void>(chat.render(messages, true));
  static_cast<void>(chat.exchange("One?", "1"));
}

}  // namespace ilora::fuzz
