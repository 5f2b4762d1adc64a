// Turns of a conversation as token ids, in a model's chat template: what the encoder (encoder.h) makes
// rows and prompts of where there is a template.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/conversation.h"
#include "model/row.h"
#include "text/chat_layout.h"
#include "text/tokenizer.h"

namespace ilora {

// With the tokenizer's BOS in front, where its file asks for one and `ids` do not begin with it.
std::vector<int32_t> with_bos(const Tokenizer& tokenizer, std::vector<int32_t> ids);

// Turns as a template reads them.
std::vector<ChatMessage> messages_of(std::span<const Turn> turns);

// How turns become tokens; of EncodeOptions (encoder.h).
struct TurnOptions {
  int64_t max_length = 1024, max_answer = 0;
  bool last_only = false;      // the last answer alone is learned
  bool parse_special = false;  // control tokens may stand in what people wrote
};

class TurnEncoder {
 public:
  // Tokenizer and template outlive it.
  TurnEncoder(const Tokenizer& tokenizer, const ChatTemplate& chat, const TurnOptions& options)
      : tokenizer_(tokenizer), chat_(chat), options_(options) {}

  // A conversation up to the beginning of the assistant's next turn, with BOS, not cut. Throws
  // Error(kData) where the template refuses it.
  std::vector<int32_t> conversation(std::span<const ChatMessage> messages) const;
  // The same up to where the text of that turn begins (up_to_answer).
  std::vector<int32_t> question(std::span<const Turn> turns) const;
  // The same within `room` tokens: the earliest turns are left out, up to another turn of the user;
  // system turns in front stay; then the last question is cut from the left. `left_out`, where it is
  // given, receives the number of tokens that went. `where` names the row in errors. Throws
  // Error(kUsage) where not even that fits.
  std::vector<int32_t> question(const Turns& turns, int64_t room, const std::string& where,
                                int64_t* left_out) const;
  // A row of all turns up to the last that is learned, in max_length tokens, cut in the same way: its
  // labels are the learned answers that stay, each with what ends it; of longer ones the first
  // max_answer tokens. Throws Error(kData) for a row of which nothing is learned, an answer without
  // tokens, a last answer that leaves no room, and as lay_out.
  Row row(const Turns& turns, const std::string& where, int64_t* left_out) const;

 private:
  struct Masked;
  struct Draft;
  Masked masked(std::span<const Turn> turns) const;
  std::vector<int32_t> encode(const std::string& text, const Masked& masked) const;
  Draft draft(const Turns& turns, const std::string& where) const;
  // The turns that stay so that excess(turns), in tokens, is not above 0; the turns from `last` on
  // always do.
  Turns fitted(const Turns& turns, size_t last, const std::string& where,
               const std::function<int64_t(const Turns&)>& excess) const;

  const Tokenizer& tokenizer_;
  const ChatTemplate& chat_;
  TurnOptions options_;
};

}  // namespace ilora
