// Chat templates: how a conversation is written for a model that was trained on conversations.
//
// Templates are stored as Jinja programs, which jinja.h runs: what comes out is what transformers'
// apply_chat_template writes (tests/golden/make_chat.py). Called by the data layer for the option
// "template: chat".
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer.h"

namespace ilora {

struct ChatMessage {
  std::string role, content;  // "system", "user", "assistant", "tool"
  std::string name = {};      // for templates that write it; empty: the message has none
  // What else the message has, a JSON object ("tool_calls", "reasoning_content"; a "content" goes
  // before the one above), and of the first one the conversation's tools, a JSON list. Empty: nothing.
  std::string more = {}, tools = {};
};

// Bytes [begin, end) of a rendered text.
using TextSpan = std::pair<size_t, size_t>;

class ChatTemplate {
 public:
  // Throws Error(kUnsupported) where the tokenizer has no template, or one with a construct that is
  // not known, that does not write the user's text once, or that ends no turn with a special token;
  // the hint names `template: raw`.
  explicit ChatTemplate(const Tokenizer& tokenizer);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;

  // A conversation, and with `generation` the beginning of the assistant's next turn: to be encoded
  // with parse_special. Throws Error(kData) where the template refuses the conversation (roles that
  // do not alternate, a system turn that it has no place for).
  // `marked` receives what the template marks by {% generation %} as said by the assistant.
  std::string render(std::span<const ChatMessage> messages, bool generation,
                     std::vector<TextSpan>* marked = nullptr) const;
  // Whether the template marks what the assistant says.
  bool marks_answers() const { return marks_answers_; }

  // What stands before and behind the user's text in prompt().
  const std::string& head() const { return head_; }
  const std::string& tail() const { return tail_; }
  // One user turn and the beginning of the assistant's.
  std::string prompt(std::string_view user_text) const;
  // The same with the assistant's turn, closed, and what the template writes behind it.
  std::string exchange(std::string_view user_text, std::string_view answer) const;
  // Ends the assistant's turn: the label after an answer, and where generation stops.
  int32_t turn_end() const { return turn_end_; }
  const std::string& source() const;  // the file of the template, for messages

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
  std::string head_, tail_;
  int32_t turn_end_ = -1;
  bool marks_answers_ = false;
};

}  // namespace ilora
