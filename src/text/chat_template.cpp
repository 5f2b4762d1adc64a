#include "text/chat_template.h"

#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "text/jinja.h"

namespace ilora {
namespace {

constexpr const char* kHint =
    "Use `template: raw`, which writes the prompt and the answer as they are.";

[[noreturn]] void refuse(const std::string& expected, const std::string& got,
                         const std::string& where) {
  throw Error(ErrorKind::kUnsupported,
              fmt::format("[chat template] expected {}, got {} ({})", expected, got, where), kHint);
}

// Stand for a text of the user and of the assistant; no template trims or searches them.
constexpr const char* kUser = "\x01user\x01";
constexpr const char* kAnswer = "\x01answer\x01";

size_t find_once(const std::string& text, const char* part, const std::string& where) {
  const size_t at = text.find(part);
  if (at != text.npos && text.find(part, at + 1) == text.npos) return at;
  refuse("a template that writes each text once",
         at == text.npos ? "one that leaves a text out" : "one that writes it more than once",
         where);
}

jinja::Value value_of(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) {
    jinja::Value::List list;
    for (const Json& part : json) list.push_back(value_of(part));
    return list;
  }
  if (!json.is_object()) return jinja::None{};
  jinja::Value::Object object;
  for (const auto& entry : json.items()) object.emplace_back(entry.key(), value_of(entry.value()));
  return object;
}

// As transformers hands it to templates, which call reasoning by two names.
jinja::Value message_value(const ChatMessage& message) {
  jinja::Value value(jinja::Value::Object{{"role", message.role}, {"content", message.content}});
  if (!message.name.empty()) value.put("name", message.name);
  if (message.more.empty()) return value;
  const Json more = parse_json(message.more, "a message");
  for (const auto& entry : more.items()) value.put(entry.key(), value_of(entry.value()));
  if (more.contains("reasoning_content"))
    value.put("thinking", value_of(more["reasoning_content"]));
  return value;
}

jinja::Value token_text(const Tokenizer& tokenizer, int32_t id) {
  return id < 0 ? jinja::Value() : jinja::Value(std::string(tokenizer.token_bytes(id)));
}

}  // namespace

struct ChatTemplate::Program {
  std::vector<jinja::Node> nodes;
  std::string where;
  jinja::Value bos, eos;
};

ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

ChatTemplate::ChatTemplate(const Tokenizer& tokenizer) {
  const std::string& where = tokenizer.source();
  if (tokenizer.chat_template().empty()) refuse("one", "none", where);
  program_ = std::make_unique<const Program>(Program{jinja::parse(tokenizer.chat_template(), where),
                                                     where, token_text(tokenizer, tokenizer.bos()),
                                                     token_text(tokenizer, tokenizer.eos())});

  const std::string asked = prompt(kUser);
  const size_t at = find_once(asked, kUser, where);
  head_ = asked.substr(0, at);
  tail_ = asked.substr(at + std::string_view(kUser).size());

  const ChatMessage turns[] = {{"user", kUser}, {"assistant", kAnswer}};
  std::vector<TextSpan> marked;
  const std::string answered = render(turns, false, &marked);
  marks_answers_ = !marked.empty();
  std::string rest =
      answered.substr(find_once(answered, kAnswer, where) + std::string_view(kAnswer).size());
  rest.erase(0, std::min(rest.find_first_not_of(" \n"), rest.size()));
  const std::vector<int32_t> ids = tokenizer.encode(rest, true);
  if (ids.empty() || !tokenizer.is_special(ids.front())) {
    refuse("a turn that ends with a special token of the vocabulary",
           fmt::format("'{}'", rest.substr(0, 40)), where);
  }
  turn_end_ = ids.front();
}

const std::string& ChatTemplate::source() const {
  return program_->where;
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages, bool generation,
                                 std::vector<TextSpan>* marked) const {
  jinja::Value::List list;
  for (const ChatMessage& message : messages) list.push_back(message_value(message));
  const std::string tools = messages.empty() ? std::string() : messages.front().tools;
  return jinja::render(program_->nodes,
                       {{"messages", std::move(list)},
                        {"add_generation_prompt", generation},
                        {"tools", tools.empty() ? jinja::Value(jinja::None{})
                                                : value_of(parse_json(tools, "tools"))},
                        {"documents", jinja::None{}},
                        {"bos_token", program_->bos},
                        {"eos_token", program_->eos}},
                       program_->where, marked);
}

std::string ChatTemplate::prompt(std::string_view user_text) const {
  const ChatMessage user{"user", std::string(user_text)};
  return render({&user, 1}, true);
}

std::string ChatTemplate::exchange(std::string_view user_text, std::string_view answer) const {
  const ChatMessage turns[] = {{"user", std::string(user_text)},
                               {"assistant", std::string(answer)}};
  return render(turns, false);
}

}  // namespace ilora
