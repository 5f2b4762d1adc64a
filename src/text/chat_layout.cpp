#include "text/chat_layout.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"

namespace ilora {
namespace {

// Stands for an answer; no template trims or searches it.
constexpr std::string_view kText = "\x01text\x01";

[[noreturn]] void refuse(const ChatTemplate& chat, const std::string& what) {
  throw Error(ErrorKind::kUnsupported, fmt::format("[chat template] {} ({})", what, chat.source()),
              "What is to be learned of a conversation cannot be told with this template. Cut "
              "conversations into rows of a prompt and an answer: ilora data import --pairs.");
}

std::string without_space(std::string_view text) {
  std::string rest;
  for (const char c : text)
    if (std::string_view(" \t\r\n").find(c) == std::string_view::npos) rest += c;
  return rest;
}

// Throws Error(kUnsupported) for what a message says beside its text, and for what a tool says, where
// the template does not write it while the message is the last one.
void require_written(const ChatTemplate& chat, std::span<const ChatMessage> messages) {
  const auto leaves_out = [&](size_t i, const std::string& what) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[chat template] the template does not write {} of turn {} ({})", what,
                            i, chat.source()),
                "Take it out of the row, or write it into the turn's content.");
  };
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    if (message.more.empty() && message.role != "tool") continue;
    std::vector<ChatMessage> some(messages.begin(),
                                  messages.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    const std::string text = chat.render(some, false);
    if (message.role == "tool") {
      some.back().content += kText;
      if (chat.render(some, false) == text) leaves_out(i, "what a tool says");
    }
    const Json more = message.more.empty() ? Json::object() : parse_json(message.more, "a message");
    for (const char* key : {"tool_calls", "reasoning_content"}) {
      if (!more.contains(key)) continue;
      Json less = more;
      less.erase(key);
      some.back() = message;
      some.back().more = less.dump();
      if (chat.render(some, false) == text) leaves_out(i, fmt::format("\"{}\"", key));
    }
  }
  if (messages.empty() || messages.front().tools.empty()) return;
  std::vector<ChatMessage> without(messages.begin(), messages.end());
  without.front().tools.clear();
  if (chat.render(without, false) == chat.render(messages, false)) leaves_out(0, "the \"tools\"");
}

class Layout {
 public:
  Layout(const ChatTemplate& chat, std::span<const ChatMessage> messages)
      : chat_(chat), messages_(messages) {}

  std::vector<ChatPart> by_marks(std::span<const size_t> answers) const {
    std::vector<TextSpan> marked, joined;
    const std::string text = chat_.render(messages_, false, &marked);
    for (const TextSpan& span : marked) {
      if (!joined.empty() && joined.back().second == span.first) {
        joined.back().second = span.second;
      } else if (span.second > span.first) {
        joined.push_back(span);
      }
    }
    std::vector<size_t> speaking;  // messages of the assistant
    for (size_t i = 0; i < messages_.size(); ++i)
      if (messages_[i].role == "assistant") speaking.push_back(i);
    if (speaking.size() != joined.size())
      refuse(chat_, fmt::format("the template marks {} answers in a conversation that has {}",
                                joined.size(), speaking.size()));
    std::vector<ChatPart> parts;
    size_t at = 0;
    for (size_t k = 0; k < joined.size(); ++k) {
      if (std::ranges::find(answers, speaking[k]) == answers.end()) continue;
      parts.push_back({text.substr(at, joined[k].first - at)});
      parts.push_back({text.substr(joined[k].first, joined[k].second - joined[k].first),
                       static_cast<int64_t>(speaking[k]), true});
      at = joined[k].second;
    }
    parts.push_back({text.substr(at)});
    return parts;
  }

  std::vector<ChatPart> by_beginnings(std::span<const size_t> answers) const {
    std::vector<ChatPart> parts;
    std::string before = chat_.render(messages_.first(answers.front()), true);
    parts.push_back({before});
    for (size_t k = 0; k < answers.size(); ++k) {
      const size_t i = answers[k];
      const std::string end = behind_text(i, i + 1, false, before, i);
      parts.push_back({answer(i, before, end), static_cast<int64_t>(i), false});
      if (k + 1 == answers.size()) {
        parts.push_back({end});
        break;
      }
      const size_t next = answers[k + 1];
      parts.push_back({behind_text(i, next, true, before, i)});
      before = chat_.render(messages_.first(next), true);
    }
    return parts;
  }

 private:
  // What the first `count` messages are with kText for the answer i: behind it.
  std::string behind_text(size_t i, size_t count, bool generation, const std::string& before,
                          size_t turn) const {
    std::vector<ChatMessage> some(messages_.begin(),
                                  messages_.begin() + static_cast<std::ptrdiff_t>(count));
    some[i].content = kText;
    some[i].more.clear();  // a part of the answer, not of what ends it
    const std::string text = chat_.render(some, generation);
    require_beginning(text, before, turn);
    const size_t at = text.find(kText, before.size());
    if (at == text.npos || text.find(kText, at + 1) != text.npos)
      refuse(chat_, fmt::format("the template does not write the answer of turn {} once", turn));
    return text.substr(at + kText.size());
  }

  std::string answer(size_t i, const std::string& before, const std::string& end) const {
    const std::string text = chat_.render(messages_.first(i + 1), false);
    require_beginning(text, before, i);
    if (text.size() < before.size() + end.size() || !text.ends_with(end))
      refuse(chat_, fmt::format("the template ends the answer of turn {} in another way than other "
                                "answers",
                                i));
    std::string body = text.substr(before.size(), text.size() - before.size() - end.size());
    if (without_space(body).find(without_space(messages_[i].content)) == std::string::npos) {
      throw Error(
          ErrorKind::kData,
          fmt::format("[chat template] the template leaves out a part of the answer of turn "
                      "{} ({})",
                      i, chat_.source()),
          "Take that part out of the row, or use another template.");
    }
    return body;
  }

  void require_beginning(const std::string& text, const std::string& before, size_t turn) const {
    if (text.starts_with(before)) return;
    refuse(chat_,
           fmt::format("the template writes the answer of turn {} after another text than the "
                       "one that asks for it",
                       turn));
  }

  const ChatTemplate& chat_;
  std::span<const ChatMessage> messages_;
};

}  // namespace

std::vector<ChatPart> lay_out(const ChatTemplate& chat, std::span<const ChatMessage> messages,
                              std::span<const size_t> answers) {
  ILORA_CHECK(!answers.empty() && answers.front() > 0 && answers.back() < messages.size());
  require_written(chat, messages.first(answers.back() + 1));
  const Layout layout(chat, messages);
  return chat.marks_answers() ? layout.by_marks(answers) : layout.by_beginnings(answers);
}

AnswerToCome up_to_answer(const ChatTemplate& chat, std::span<const ChatMessage> messages) {
  require_written(chat, messages);
  AnswerToCome come{chat.render(messages, true), {}};
  std::vector<ChatMessage> some(messages.begin(), messages.end());
  some.push_back({"assistant", std::string(kText)});
  const std::string text = chat.render(some, false);
  const size_t begin = come.asked.size(), at = text.find(kText);
  if (at != text.npos && at >= begin && text.starts_with(come.asked))
    come.own = text.substr(begin, at - begin);
  return come;
}

}  // namespace ilora
