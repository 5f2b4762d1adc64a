#include "data/turn_encoder.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "base/error.h"

namespace ilora {
namespace {

constexpr char kMask = '\x02';  // around the number of a text that stands apart

// What is to become of a token of a row.
enum class Use : uint8_t { kNone, kLearned, kNever };

// The turns from `start` on, behind the system's turns that a conversation begins with.
Turns from(const Turns& turns, size_t start) {
  Turns rest;
  for (const Turn& turn : turns) {
    if (turn.role != "system") break;
    rest.push_back(turn);
  }
  rest.insert(rest.end(), turns.begin() + static_cast<std::ptrdiff_t>(start), turns.end());
  if (!rest.empty()) rest.front().tools = turns.front().tools;
  return rest;
}

void set_gaps(Row& row, const std::vector<Use>& uses) {
  const auto count = std::ssize(row.tokens);
  for (int64_t begin = 0, end = 0; begin < count; begin = end) {
    const Use use = uses[static_cast<size_t>(begin)];
    for (end = begin; end < count && uses[static_cast<size_t>(end)] == use;) ++end;
    const bool behind = begin >= row.prompt_length;
    if (use == Use::kNever || (use == Use::kNone && behind)) {
      row.gaps.push_back(
          {static_cast<int32_t>(begin), static_cast<int32_t>(end), use == Use::kNever});
    }
  }
}

// What `work` throws, with the row that it is about.
template <class Work>
auto naming(const std::string& where, const Work& work) {
  try {
    return work();
  } catch (const Error& e) {
    if (where.empty() || std::string_view(e.what()).find(where) != std::string_view::npos) throw;
    throw Error(e.kind(), fmt::format("{} ({})", e.what(), where), e.hint());
  }
}

}  // namespace

std::vector<ChatMessage> messages_of(std::span<const Turn> turns) {
  std::vector<ChatMessage> messages;
  for (const Turn& turn : turns)
    messages.push_back({turn.role, turn.content, turn.name, turn.more, turn.tools});
  return messages;
}

std::vector<int32_t> with_bos(const Tokenizer& tokenizer, std::vector<int32_t> ids) {
  if (tokenizer.adds_bos() && (ids.empty() || ids.front() != tokenizer.bos()))
    ids.insert(ids.begin(), tokenizer.bos());
  return ids;
}

// Messages in which texts that would become control tokens are numbers, white space at their ends
// aside (templates may trim), and those texts.
struct TurnEncoder::Masked {
  std::vector<ChatMessage> messages;
  std::vector<std::string> texts;

  void hide(ChatMessage& message) {
    constexpr std::string_view kSpace = " \t\r\n";
    std::string& text = message.content;
    const size_t begin = text.find_first_not_of(kSpace),
                 size = text.find_last_not_of(kSpace) + 1 - begin;
    texts.push_back(text.substr(begin, size));
    text.replace(begin, size, fmt::format("{0}{1}{0}", kMask, texts.size() - 1));
  }
};

TurnEncoder::Masked TurnEncoder::masked(std::span<const Turn> turns) const {
  Masked masked{messages_of(turns), {}};
  if (options_.parse_special) return masked;
  const auto has_marks = [&](const std::string& text) {
    const std::vector<int32_t> ids = tokenizer_.encode(text, true);
    return std::ranges::any_of(ids, [&](int32_t id) { return tokenizer_.is_special(id); });
  };
  for (ChatMessage& message : masked.messages) {
    for (const std::string* text : {&message.more, &message.tools, &message.name}) {
      if (text->empty() || (!has_marks(*text) && text->find(kMask) == text->npos)) continue;
      throw Error(ErrorKind::kData,
                  "[data] a control token in what a turn says beside its text (tools, calls, "
                  "reasoning, name)",
                  "Take it out, or set data.special_tokens: parse, which means it.");
    }
    const bool marks = has_marks(message.content);
    if (marks || message.content.find(kMask) != std::string::npos) masked.hide(message);
  }
  return masked;
}

// What a template writes may be control tokens; what people wrote in it is text, whatever it looks
// like.
std::vector<int32_t> TurnEncoder::encode(const std::string& text, const Masked& masked) const {
  std::vector<int32_t> ids;
  const auto append = [&](std::string_view part, bool parse_special) {
    if (part.empty()) return;
    const std::vector<int32_t> more = tokenizer_.encode(part, parse_special);
    ids.insert(ids.end(), more.begin(), more.end());
  };
  size_t at = 0;
  for (size_t open; !masked.texts.empty() && (open = text.find(kMask, at)) != text.npos;) {
    const size_t close = text.find(kMask, open + 1);
    ILORA_CHECK(close != text.npos);
    append(std::string_view(text).substr(at, open - at), true);
    append(masked.texts.at(std::stoul(text.substr(open + 1, close - open - 1))), false);
    at = close + 1;
  }
  append(std::string_view(text).substr(at), true);
  return ids;
}

std::vector<int32_t> TurnEncoder::conversation(std::span<const ChatMessage> messages) const {
  Turns turns;
  for (const ChatMessage& message : messages)
    turns.push_back({message.role, message.content, {}, message.name, message.more, message.tools});
  const Masked some = masked(turns);
  return with_bos(tokenizer_, encode(chat_.render(some.messages, true), some));
}

std::vector<int32_t> TurnEncoder::question(std::span<const Turn> turns) const {
  const Masked some = masked(turns);
  AnswerToCome come = up_to_answer(chat_, some.messages);
  // Where every text gets a space in front, the answer brings the one that the template writes.
  if (tokenizer_.strips_space() && come.own == " ") come.own.clear();
  return with_bos(tokenizer_, encode(come.asked + come.own, some));
}

std::vector<int32_t> TurnEncoder::question(const Turns& turns, int64_t room,
                                           const std::string& where, int64_t* left_out) const {
  return naming(where, [&] {
    int64_t whole = -1;
    std::vector<int32_t> tokens;
    fitted(turns, turns.size(), where, [&](const Turns& some) {
      tokens = question(some);
      if (whole < 0) whole = std::ssize(tokens);
      return std::ssize(tokens) - room;
    });
    if (left_out != nullptr) *left_out = whole - std::ssize(tokens);
    return tokens;
  });
}

// A row as its turns make it, whatever its length.
struct TurnEncoder::Draft {
  std::vector<int32_t> tokens;
  std::vector<Use> uses;    // of each token
  int64_t last_answer = 0;  // tokens of the last learned answer, without its end

  void add(const std::vector<int32_t>& ids, Use use) {
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    uses.insert(uses.end(), ids.size(), use);
  }
};

TurnEncoder::Draft TurnEncoder::draft(const Turns& turns, const std::string& where) const {
  const std::vector<size_t> learned = learned_answers(turns, options_.last_only);
  const std::set<size_t> is_learned(learned.begin(), learned.end());
  std::vector<size_t> cuts = learned;
  for (size_t i = 0; i < turns.size(); ++i)
    if (turns[i].learned == false && answers_something(turns, i)) cuts.push_back(i);
  std::ranges::sort(cuts);
  const Masked some = masked(turns);
  Draft draft;
  Use use = Use::kNone;  // of the answer whose end comes next
  bool ends_next = false;
  for (const ChatPart& part : lay_out(chat_, some.messages, cuts)) {
    // As in question().
    const bool apart = part.answer >= 0 && !part.with_end && tokenizer_.strips_space() &&
                       part.text == " " + some.messages[static_cast<size_t>(part.answer)].content;
    std::vector<int32_t> ids = encode(apart ? part.text.substr(1) : part.text, some);
    if (draft.tokens.empty()) ids = with_bos(tokenizer_, std::move(ids));
    if (part.answer >= 0) {
      const auto turn = static_cast<size_t>(part.answer);
      if (ids.empty()) {
        throw Error(ErrorKind::kData,
                    fmt::format("[data] the answer of turn {} of {} has no tokens", turn, where),
                    "Every answer needs at least one character.");
      }
      use = is_learned.contains(turn) ? Use::kLearned : Use::kNever;
      ends_next = !part.with_end;
      const auto most = static_cast<size_t>(options_.max_answer);
      const size_t kept =
          use == Use::kLearned && most > 0 ? std::min(most, ids.size()) : ids.size();
      if (use == Use::kLearned) draft.last_answer = static_cast<int64_t>(kept);
      draft.add({ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(kept)}, use);
      draft.add({ids.begin() + static_cast<std::ptrdiff_t>(kept), ids.end()}, Use::kNone);
      if (kept < ids.size()) use = Use::kNone;  // the answer does not end there
      continue;
    }
    auto end = ids.begin();
    if (ends_next) {
      end = std::ranges::find(ids, chat_.turn_end());
      if (end == ids.end()) {
        throw Error(ErrorKind::kUnsupported,
                    fmt::format("[chat template] expected '{}' after each answer, got another end "
                                "({}, {})",
                                tokenizer_.token_bytes(chat_.turn_end()), chat_.source(), where),
                    "Cut conversations into rows of a prompt and an answer: ilora data import "
                    "--pairs.");
      }
      ++end;
    }
    draft.add({ids.begin(), end}, use);
    draft.add({end, ids.end()}, Use::kNone);
    ends_next = false;
    use = Use::kNone;
  }
  const auto last = std::ranges::find(draft.uses.rbegin(), draft.uses.rend(), Use::kLearned);
  draft.tokens.resize(static_cast<size_t>(draft.uses.rend() - last));
  draft.uses.resize(draft.tokens.size());
  return draft;
}

Row TurnEncoder::row(const Turns& turns, const std::string& where, int64_t* left_out) const {
  const std::vector<size_t> learned = learned_answers(turns, options_.last_only);
  if (learned.empty()) {
    throw Error(ErrorKind::kData, fmt::format("[data] nothing is learned of {}", where),
                options_.last_only
                    ? "Its last answer says train: false or weight: 0, and data.turns is last."
                    : "All its answers say train: false or weight: 0: take the row out.");
  }
  return naming(where, [&] {
    int64_t whole = -1;
    Draft made;
    fitted(turns, learned.back(), where, [&](const Turns& some) {
      made = draft(some, where);
      if (whole < 0) whole = std::ssize(made.tokens);
      if (made.last_answer >= options_.max_length) {
        throw Error(
            ErrorKind::kData,
            fmt::format("[data] the last answer of {} has {} tokens, and rows hold at most {}",
                        where, made.last_answer, options_.max_length),
            "Raise data.max_length, shorten the answer, or set data.max_answer: longer "
            "answers are then learned up to that many tokens.");
      }
      return std::ssize(made.tokens) - 1 - options_.max_length;
    });
    if (left_out != nullptr) *left_out = whole - std::ssize(made.tokens);
    Row row;
    row.tokens = std::move(made.tokens);
    row.prompt_length = std::ranges::find(made.uses, Use::kLearned) - made.uses.begin();
    ILORA_CHECK(row.prompt_length > 0, "an answer that nothing stands before");
    set_gaps(row, made.uses);
    return row;
  });
}

Turns TurnEncoder::fitted(const Turns& turns, size_t last, const std::string& where,
                          const std::function<int64_t(const Turns&)>& excess) const {
  if (excess(turns) <= 0) return turns;
  std::vector<size_t> starts;
  for (size_t i = 0; i < last; ++i)
    if (turns[i].role == "user") starts.push_back(i);
  // The first of them that fits: with a later one a row is shorter.
  size_t low = 0, high = starts.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (excess(from(turns, starts[middle])) <= 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  if (low < starts.size()) {
    Turns some = from(turns, starts[low]);
    excess(some);  // the caller keeps what it saw last
    return some;
  }
  if (!starts.empty()) {
    Turns some = from(turns, starts.back());
    std::string& question = std::ranges::find(some, std::string("user"), &Turn::role)->content;
    for (int64_t over = 0; (over = excess(some)) > 0;) {
      const std::vector<int32_t> ids = tokenizer_.encode(question, options_.parse_special);
      if (over >= std::ssize(ids)) break;
      question = tokenizer_.decode(std::span(ids).subspan(static_cast<size_t>(over)), false);
      constexpr std::string_view kCutCharacter = "\xef\xbf\xbd";
      while (question.starts_with(kCutCharacter)) question.erase(0, kCutCharacter.size());
    }
    if (excess(some) <= 0) return some;
  }
  throw Error(ErrorKind::kUsage,
              fmt::format("[data] rows of {} tokens leave no room for the last question of {}",
                          options_.max_length, where),
              "Raise data.max_length, or set data.max_answer or eval.max_new_tokens lower.");
}

}  // namespace ilora
