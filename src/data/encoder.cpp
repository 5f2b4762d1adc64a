#include "data/encoder.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "text/tokenizer.h"

namespace ilora {
Encoder::Encoder(const Tokenizer& tokenizer, EncodeOptions options, int64_t context)
    : tokenizer_(tokenizer), options_(std::move(options)), context_(context) {
  options_.max_length = std::min(options_.max_length, context);
  if (options_.text_template == "chat") {
    chat_.emplace(tokenizer);
    template_front_ = static_cast<int64_t>(tokenizer.encode(chat_->head(), true).size());
    template_back_ = static_cast<int64_t>(tokenizer.encode(chat_->tail(), true).size());
    turns_.emplace(tokenizer, *chat_,
                   TurnOptions{options_.max_length, options_.max_answer, options_.turns == "last",
                               parses_special()});
  }
  end_ = chat_ ? chat_->turn_end() : tokenizer.eos();
  if (end_ < 0) {
    throw Error(ErrorKind::kUnsupported, "[data] the tokenizer has no end-of-sequence token",
                "Without it a model cannot learn where an answer stops.");
  }
}

const TurnEncoder& Encoder::turns_of(const std::string& where) const {
  if (turns_) return *turns_;
  throw Error(
      ErrorKind::kUsage,
      fmt::format("[data] {} a chat template",
                  where.empty() ? "a conversation needs" : where + " is a conversation and needs"),
      "Set data.template: chat, with a model that has one; or cut conversations into rows of "
      "a prompt and an answer (ilora data import --pairs).");
}

std::vector<int32_t> Encoder::prompt(const std::string& text) const {
  if (!chat_) return with_bos(tokenizer_, tokenizer_.encode(text, parses_special()));
  const ChatMessage user{"user", text};
  return turns_->conversation({&user, 1});
}

std::vector<int32_t> Encoder::prompt(const Example& example, const std::string& where) const {
  if (example.turns.empty()) return prompt(example.prompt);
  return turns_of(where).question(std::span(example.turns).first(last_answer(example.turns)));
}

std::vector<int32_t> Encoder::prompt(const Example& example, const std::string& where,
                                     int64_t reserve, int64_t in_front, int64_t* left_out) const {
  if (!example.turns.empty()) {
    Turns before = example.turns;
    before.resize(last_answer(before));
    return turns_of(where).question(before, std::max<int64_t>(room(in_front) - reserve, 1), where,
                                    left_out);
  }
  std::vector<int32_t> tokens = prompt(example.prompt);
  const int64_t excess = cut(tokens, reserve, in_front);
  if (left_out != nullptr) *left_out = excess;
  return tokens;
}

std::vector<int32_t> Encoder::conversation(std::span<const ChatMessage> messages) const {
  return turns_of({}).conversation(messages);
}

std::vector<int32_t> Encoder::answer(const std::string& text) const {
  return tokenizer_.encode(text, parses_special());
}

bool Encoder::cut_answer(std::vector<int32_t>& answer_tokens) const {
  const auto most = static_cast<size_t>(options_.max_answer);
  if (most == 0 || answer_tokens.size() <= most) return true;
  answer_tokens.resize(most);
  return false;
}

int64_t Encoder::cut(std::vector<int32_t>& tokens, int64_t reserve, int64_t in_front) const {
  const int64_t left = std::max<int64_t>(room(in_front) - reserve, 1);
  const auto length = static_cast<int64_t>(tokens.size()), excess = length - left;
  if (excess <= 0) return 0;
  // BOS and the template stay.
  const int64_t front = template_front_ + (tokenizer_.adds_bos() && left > 1 ? 1 : 0);
  if (excess > length - front - template_back_) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[data] rows of {} tokens leave no room for the chat template's {} and "
                            "{} more (data.max_length)",
                            room(in_front), template_front_ + template_back_, reserve),
                "Raise data.max_length, or set data.max_answer or eval.max_new_tokens lower.");
  }
  tokens.erase(tokens.begin() + front, tokens.begin() + front + excess);
  return excess;
}

Row Encoder::encode(const Example& example, int32_t task, uint64_t id, const std::string& where,
                    int64_t* left_out) const {
  if (!example.turns.empty()) {
    Row row = turns_of(where).row(example.turns, where, left_out);
    row.task = task;
    row.id = id;
    return row;
  }
  std::vector<int32_t> answer_ids = answer(example.answer);
  if (answer_ids.empty()) {
    throw Error(ErrorKind::kData, fmt::format("[data] the answer of {} has no tokens", where),
                "Every row needs an answer with at least one character.");
  }
  const bool whole = cut_answer(answer_ids);
  const auto reserve = static_cast<int64_t>(answer_ids.size());
  if (reserve >= options_.max_length) {
    throw Error(ErrorKind::kData,
                fmt::format("[data] the answer of {} has {} tokens, and rows hold at most {}",
                            where, reserve, options_.max_length),
                "Raise data.max_length, shorten the answer, or set data.max_answer: longer answers "
                "are then learned up to that many tokens.");
  }
  std::vector<int32_t> ids = prompt(example.prompt);
  if (ids.empty()) {
    throw Error(ErrorKind::kData, fmt::format("[data] the prompt of {} has no tokens", where),
                "Every row needs a prompt with at least one character.");
  }
  const int64_t excess = cut(ids, reserve);
  if (left_out != nullptr) *left_out = excess;
  Row row;
  row.prompt_length = static_cast<int64_t>(ids.size());
  row.tokens = std::move(ids);
  row.tokens.insert(row.tokens.end(), answer_ids.begin(), answer_ids.end());
  if (whole) row.tokens.push_back(end_);
  row.task = task;
  row.id = id;
  return row;
}

std::vector<int32_t> Encoder::stop_tokens() const {
  std::vector<int32_t> tokens = {end_};
  const auto add = [&](int32_t token) {
    if (token >= 0 && std::ranges::find(tokens, token) == tokens.end()) tokens.push_back(token);
  };
  add(tokenizer_.eos());
  for (const int32_t token : tokenizer_.ends()) add(token);
  return tokens;
}

}  // namespace ilora
