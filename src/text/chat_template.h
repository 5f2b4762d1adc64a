// Chat templates: how a conversation is written for a model that was trained on conversations.
//
// Templates are stored as Jinja programs. There is no Jinja interpreter here: the ChatML template,
// with or without a default system message (SmolLM2, and whatever transformers users call ChatML),
// is recognised by its structure and rendered exactly as transformers' apply_chat_template renders
// it; any other template is an error. Called by the data layer for the option "template: chat".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace ilora {

class ChatTemplate {
 public:
  // Throws Error(kUnsupported) where the tokenizer has no template or one that is not known, or
  // where its vocabulary lacks the template's tokens; the hint names `template: raw`.
  explicit ChatTemplate(const Tokenizer& tokenizer);

  // What stands before and behind the user's text in prompt().
  std::string head() const;
  std::string tail() const;
  // One user turn and the beginning of the assistant's: to be encoded with parse_special.
  std::string prompt(std::string_view user_text) const;
  // The same with the assistant's turn, closed, and a line feed.
  std::string exchange(std::string_view user_text, std::string_view answer) const;
  // Ends the assistant's turn: the label after an answer, and where generation stops.
  int32_t turn_end() const { return turn_end_; }
  const std::string& system_message() const {
    return system_;
  }  // the default one, empty where there is none

 private:
  std::string system_;
  std::string turn_end_text_ = "<|im_end|>";
  int32_t turn_end_ = -1;
};

}  // namespace ilora
