// Turns the text of examples into rows of token ids, as they are learned and as they are scored.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/task.h"
#include "data/turn_encoder.h"
#include "model/row.h"
#include "text/chat_template.h"

namespace ilora {

class Tokenizer;

// How text becomes rows.
struct EncodeOptions {
  // "raw": prompt and answer as they stand; "chat": the model's chat template.
  std::string text_template = "raw";
  // Longest row in tokens; the prompt is cut from the left, the answer kept.
  int64_t max_length = 1024;
  // Longest answer that is learned, in tokens; longer ones are cut at their end and learned without
  // an end token. 0: whole answers.
  int64_t max_answer = 0;
  // "all": every answer of a conversation is learned; "last": the last one alone.
  std::string turns = "all";
  // "text": what people wrote is text, whatever it looks like; "parse": control tokens that it writes
  // out are control tokens.
  std::string special_tokens = "text";
};

// Turns prompts and answers into rows: tokenized apart; BOS first where the tokenizer's file asks
// for it; EOS after the answer, as a label.
class Encoder {
 public:
  // `context`: the model's longest sequence; max_length is lowered to it.
  Encoder(const Tokenizer& tokenizer, EncodeOptions options, int64_t context);
  Encoder(const Encoder&) = delete;  // its parts know each other

  // `where` names the row in errors; `left_out`, where it is asked for, receives the number of the
  // prompt's tokens that were cut. Throws Error(kData) for an answer that tokenizes to nothing or
  // leaves no room for a prompt token. Conversations: TurnEncoder::row.
  Row encode(const Example& example, int32_t task, uint64_t id, const std::string& where,
             int64_t* left_out = nullptr) const;
  std::vector<int32_t> prompt(const std::string& text) const;  // with BOS and template, not cut
  // A row up to its answer (a conversation's last one), not cut. Throws Error(kUsage) for a
  // conversation without a chat template, Error(kData) where the template refuses it.
  std::vector<int32_t> prompt(const Example& example, const std::string& where = {}) const;
  // The same, cut so that `reserve` more fit in a row behind `in_front` soft prompts: as cut(), a
  // conversation as TurnEncoder::question. `left_out` receives how many tokens went.
  std::vector<int32_t> prompt(const Example& example, const std::string& where, int64_t reserve,
                              int64_t in_front = 0, int64_t* left_out = nullptr) const;
  // A conversation up to the beginning of the assistant's next turn, with BOS, not cut. Throws
  // Error(kUsage) without a chat template, Error(kData) for a conversation that it refuses.
  std::vector<int32_t> conversation(std::span<const ChatMessage> messages) const;
  std::vector<int32_t> answer(const std::string& text) const;  // without EOS
  // Cuts an answer to what is learned of it (max_answer). True where it is whole: then an end token
  // follows.
  bool cut_answer(std::vector<int32_t>& answer_tokens) const;
  // The prompt's tokens cut from the left to leave room for `reserve` more in a row; a chat
  // template around them stays whole. `in_front`: soft prompts before the row, which count against
  // the model's context alone. Returns the number of tokens left out. Throws Error(kUsage) where
  // that does not fit.
  int64_t cut(std::vector<int32_t>& prompt_tokens, int64_t reserve, int64_t in_front = 0) const;
  int32_t end_token() const { return end_; }
  // What ends a generated answer: it, the EOS, and what else the model's files list.
  std::vector<int32_t> stop_tokens() const;
  int64_t max_length() const { return options_.max_length; }
  bool last_answer_only() const { return options_.turns == "last"; }
  // The longest row behind `in_front` soft prompts.
  int64_t room(int64_t in_front) const {
    return std::min(options_.max_length, context_ - in_front);
  }
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  bool parses_special() const { return options_.special_tokens == "parse"; }
  const TurnEncoder& turns_of(const std::string& where) const;  // throws without a template

  const Tokenizer& tokenizer_;
  std::optional<ChatTemplate> chat_;
  std::optional<TurnEncoder> turns_;
  int64_t template_front_ = 0, template_back_ = 0;  // tokens of it around a prompt
  EncodeOptions options_;
  int64_t context_;
  int32_t end_ = -1;
};

}  // namespace ilora
