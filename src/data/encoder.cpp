#include "data/encoder.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "text/tokenizer.h"

namespace ilora {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

// The tokens of a rendered template: what it writes itself may be control tokens, and what people
// wrote in it (`texts`, in order) is text, whatever it looks like.
std::vector<int32_t> encode_rendered(const Tokenizer& tokenizer, std::string_view whole,
                                     std::span<const std::string_view> texts) {
  const auto holds_marks = [&](std::string_view text) {
    return std::ranges::any_of(tokenizer.encode(text, true),
                               [&](int32_t id) { return tokenizer.is_special(id); });
  };
  if (std::ranges::none_of(texts, holds_marks)) return tokenizer.encode(whole, true);
  std::vector<int32_t> ids;
  const auto append = [&](std::string_view part, bool parse_special) {
    const std::vector<int32_t> more = tokenizer.encode(part, parse_special);
    ids.insert(ids.end(), more.begin(), more.end());
  };
  size_t at = 0;
  for (const std::string_view given : texts) {
    const std::string_view text = trimmed(given);  // templates may trim
    const size_t found = whole.find(text, at);
    if (found == whole.npos) {
      throw Error(ErrorKind::kData,
                  "[data] a text with marks of control tokens is not in what the chat template "
                  "makes of it",
                  "Take the marks out of the text.");
    }
    append(whole.substr(at, found - at), true);
    append(text, false);
    at = found + text.size();
  }
  append(whole.substr(at), true);
  return ids;
}

}  // namespace

Encoder::Encoder(const Tokenizer& tokenizer, EncodeOptions options, int64_t context)
    : tokenizer_(tokenizer), options_(std::move(options)), context_(context) {
  options_.max_length = std::min(options_.max_length, context);
  if (options_.text_template == "chat") {
    chat_.emplace(tokenizer);
    template_front_ = static_cast<int64_t>(tokenizer.encode(chat_->head(), true).size());
    template_back_ = static_cast<int64_t>(tokenizer.encode(chat_->tail(), true).size());
  }
  end_ = chat_ ? chat_->turn_end() : tokenizer.eos();
  if (end_ < 0) {
    throw Error(ErrorKind::kUnsupported, "[data] the tokenizer has no end-of-sequence token",
                "Without it a model cannot learn where an answer stops.");
  }
}

std::vector<int32_t> Encoder::with_bos(std::vector<int32_t> ids) const {
  if (tokenizer_.adds_bos() && (ids.empty() || ids.front() != tokenizer_.bos()))
    ids.insert(ids.begin(), tokenizer_.bos());
  return ids;
}

std::vector<int32_t> Encoder::prompt(const std::string& text) const {
  if (!chat_) return with_bos(tokenizer_.encode(text));
  const std::string_view texts[] = {text};
  return with_bos(encode_rendered(tokenizer_, chat_->prompt(text), texts));
}

std::vector<int32_t> Encoder::conversation(std::span<const ChatMessage> messages) const {
  if (!chat_) {
    throw Error(ErrorKind::kUsage, "[data] a conversation needs a chat template",
                "Set data.template: chat, with a model that has one.");
  }
  const std::vector<std::string_view> texts = [&] {
    std::vector<std::string_view> list;
    for (const ChatMessage& message : messages) list.emplace_back(message.content);
    return list;
  }();
  return with_bos(encode_rendered(tokenizer_, chat_->render(messages, true), texts));
}

std::vector<int32_t> Encoder::answer(const std::string& text) const {
  return tokenizer_.encode(text);
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
