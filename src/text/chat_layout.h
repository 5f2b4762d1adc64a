// Where in a rendered conversation the answers stand: what is learned of it, and what is not.
//
// A template that marks answers itself ({% generation %}, as transformers reads it) is followed. Of
// others, an answer is what the template writes behind the beginning of the assistant's turn, as it
// writes that for an answer to come: found by rendering what comes before, which must be how the
// rendered answer begins. Some templates write an answer otherwise once another turn follows (Qwen3
// leaves its reasoning out): it is laid out as it was written when it was the last one, since that is
// what a model is to say. Called by data/turn_encoder.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "text/chat_template.h"

namespace ilora {

// Consecutive parts make the text of a conversation.
struct ChatPart {
  std::string text;
  int64_t answer = -1;  // the index of the message whose answer it is; -1: none
  // Of an answer: what ends it is part of the text. Otherwise the next part begins with that.
  bool with_end = false;
};

// The parts of a conversation, cut at the messages `answers` (of the assistant, ascending, each with
// a message before it; at least one). Before the first answer, between two and behind the last there
// is one part that is none, possibly empty. Throws Error(kUnsupported) for a template whose answers
// cannot be told from the rest, Error(kData) where it refuses the conversation, or leaves a part of
// an answer out.
std::vector<ChatPart> lay_out(const ChatTemplate& chat, std::span<const ChatMessage> messages,
                              std::span<const size_t> answers);

// A conversation up to where the assistant's next text begins: what asks for it, and what the template
// writes of its own between that and the text (Qwen3's empty reasoning; often nothing).
struct AnswerToCome {
  std::string asked, own;
};
AnswerToCome up_to_answer(const ChatTemplate& chat, std::span<const ChatMessage> messages);

}  // namespace ilora
