#include "text/chat_template.h"

#include <optional>

#include "base/error.h"

namespace ilora {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

// Brings a Jinja program to one spelling: no white space outside of string literals, single quotes,
// escapes resolved, neighbouring literals joined, no trim marks. None where text stands outside of
// tags or a literal cannot be read, so that a template is never taken for one that it is not.
class JinjaSpelling {
 public:
  explicit JinjaSpelling(std::string_view source) : source_(source) {}

  std::optional<std::string> run() {
    if (source_.find('\x01') != std::string_view::npos) return std::nullopt;  // see read_literal
    bool after_trim = false;  // white space before the next tag has no effect
    bool after_block = false;
    while (position_ < source_.size()) {
      const size_t tag = source_.find('{', position_);
      const std::string_view outside =
          source_.substr(position_, tag == std::string_view::npos ? tag : tag - position_);
      const std::string_view opening =
          tag == std::string_view::npos ? std::string_view() : source_.substr(tag, 3);
      if (!is_trimmed(outside, opening, after_trim, after_block)) return std::nullopt;
      if (tag == std::string_view::npos) break;
      if (!opening.starts_with("{%") && !opening.starts_with("{{")) return std::nullopt;
      position_ = tag + 2;
      after_block = opening[1] == '%';
      result_.append(opening.substr(0, 2));
      if (!read_tag(after_block ? "%}" : "}}", after_trim)) return std::nullopt;
    }
    join_literals();
    return std::move(result_);
  }

 private:
  std::string_view source_;
  size_t position_ = 0;
  std::string result_;

  // Whether text between tags disappears: transformers renders with trim_blocks (the newline after
  // a block goes) and lstrip_blocks (spaces before a block at the beginning of a line go).
  static bool is_trimmed(std::string_view outside, std::string_view opening, bool after_trim,
                         bool after_block) {
    if (outside.empty()) return true;
    if (outside.find_first_not_of(kSpaces) != std::string_view::npos) return false;
    if (after_trim || opening.ends_with('-')) return true;
    if (!after_block || outside.front() != '\n') return false;
    const std::string_view rest = outside.substr(1);
    return rest.empty() ||
           (opening.starts_with("{%") && rest.find_first_not_of(" \t") == std::string_view::npos);
  }

  bool read_tag(std::string_view closing, bool& trims) {
    if (position_ < source_.size() && (source_[position_] == '-' || source_[position_] == '+')) {
      if (source_[position_] == '+') return false;
      ++position_;
    }
    while (position_ < source_.size()) {
      const char c = source_[position_];
      const bool trim_mark = c == '-' && source_.substr(position_ + 1).starts_with(closing);
      if (trim_mark || source_.substr(position_).starts_with(closing)) {
        position_ += closing.size() + (trim_mark ? 1 : 0);
        result_.append(closing);
        trims = trim_mark;
        return true;
      }
      if (c == '\'' || c == '"') {
        if (!read_literal(c)) return false;
        continue;
      }
      ++position_;
      if (kSpaces.find(c) == std::string_view::npos) {
        result_.push_back(c);
      } else if (result_.back() != ' ' && is_name(result_.back()) && position_ < source_.size() &&
                 is_name(source_[position_])) {
        result_.push_back(' ');  // between two words
      }
    }
    return false;
  }

  static bool is_name(char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  }

  // Copies a literal in single quotes, with \n resolved and the quotes inside marked off as \x01.
  bool read_literal(char quote) {
    result_.push_back('\'');
    for (++position_; position_ < source_.size(); ++position_) {
      char c = source_[position_];
      if (c == quote) {
        ++position_;
        result_.push_back('\'');
        return true;
      }
      if (c == '\\') {
        if (++position_ == source_.size()) return false;
        c = source_[position_];
        if (c == 'n') {
          c = '\n';
        } else if (c != '\\' && c != '\'' && c != '"') {
          return false;
        }
      }
      result_.push_back(c == '\'' ? '\x01' : c);
    }
    return false;
  }

  void join_literals() {
    for (size_t at = 0; (at = result_.find("'+'")) != std::string_view::npos;) result_.erase(at, 3);
  }
};

// Removes `prefix` from the front of `text` where it stands there.
bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// The default system message of a ChatML template (empty where it has none); none where it is not
// ChatML.
std::optional<std::string> recognise_chatml(std::string_view source) {
  const auto spelling = JinjaSpelling(source).run();
  if (!spelling) return std::nullopt;
  std::string_view rest = *spelling;
  take(rest,
       "{%if not add_generation_prompt is defined%}{%set add_generation_prompt=false%}{%endif%}");
  if (!take(rest, "{%for message in messages%}")) return std::nullopt;
  std::string system;
  if (take(rest, "{%if loop.first and messages[0]['role']!='system'%}{{'<|im_start|>system\n")) {
    constexpr std::string_view kEnd = "<|im_end|>\n'}}{%endif%}";
    const size_t end = rest.find(kEnd);
    if (end == std::string_view::npos) return std::nullopt;
    system = rest.substr(0, end);
    if (system.find('\'') != std::string_view::npos) return std::nullopt;  // more than one literal
    for (char& c : system) c = c == '\x01' ? '\'' : c;
    rest.remove_prefix(end + kEnd.size());
    if (system.empty())
      return std::nullopt;  // an empty turn would be rendered; told apart from no turn: not known
  }
  const bool body =
      take(rest,
           "{{'<|im_start|>'+message['role']+'\n'+message['content']+'<|im_end|>\n'}}{%endfor%}") &&
      take(rest, "{%if add_generation_prompt%}{{'<|im_start|>assistant\n'}}{%endif%}");
  if (!body || !rest.empty()) return std::nullopt;
  return system;
}

}  // namespace

ChatTemplate::ChatTemplate(const Tokenizer& tokenizer) {
  constexpr const char* kHint =
      "Use `template: raw`, which writes the prompt and the answer as they are.";
  if (tokenizer.chat_template().empty()) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[chat template] expected one, got none ({})", tokenizer.source()),
                kHint);
  }
  const auto system = recognise_chatml(tokenizer.chat_template());
  if (!system) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format(
            "[chat template] expected ChatML, got a template that is not known: '{}...' ({})",
            tokenizer.chat_template().substr(0, 60), tokenizer.source()),
        kHint);
  }
  for (const char* token : {"<|im_start|>", "<|im_end|>"}) {
    if (tokenizer.find(token) >= 0) continue;
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("[chat template] expected the token {} in the vocabulary, got none ({})", token,
                    tokenizer.source()),
        kHint);
  }
  system_ = *system;
  turn_end_ = tokenizer.find(turn_end_text_);
}

std::string ChatTemplate::head() const {
  const std::string user = "<|im_start|>user\n";
  return system_.empty() ? user : "<|im_start|>system\n" + system_ + turn_end_text_ + "\n" + user;
}

std::string ChatTemplate::tail() const {
  return turn_end_text_ + "\n<|im_start|>assistant\n";
}

std::string ChatTemplate::prompt(std::string_view user_text) const {
  return head().append(user_text).append(tail());
}

std::string ChatTemplate::exchange(std::string_view user_text, std::string_view answer) const {
  return prompt(user_text).append(answer).append(turn_end_text_) + "\n";
}

}  // namespace ilora
