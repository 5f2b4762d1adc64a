// Conversations: rows of a task that have turns in place of a prompt and an answer. Read from
// train.json by task.cpp, written by it, made by the importers, encoded by encoder.cpp.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json_fwd.h"

namespace ilora {

struct Turn {
  std::string role;                  // "system", "user", "assistant", "tool"
  std::string content;               // never control tokens, unless data.special_tokens says so
  std::optional<bool> learned = {};  // of an answer: what the row says ("train", "weight"); by
                                     // default it is
  std::string name = {};             // who speaks; for templates that write it
  std::string more = {};   // what else it says (turn_keys.h), a JSON object; empty: nothing
  std::string tools = {};  // of the first turn: the conversation's tools, a JSON list; empty: none

  bool operator==(const Turn&) const = default;
};
using Turns = std::vector<Turn>;

inline bool is_answer(const Turn& turn) {
  return turn.role == "assistant";
}

// Reads a row's "messages": a list of {"role", "content"} and, where there are, "name", "weight" (0,
// 1) or "train" (true, false) of an answer, and what turn_keys reads. `content` is a text, or a list
// of parts of type text, which are joined. `where` names the row. Throws Error(kData) that names row,
// turn and key: for a role other than the four, a weight between 0 and 1, a weight of a turn that is
// no answer, any other key that says something (pictures), a conversation without an answer that
// follows a question.
Turns read_turns(const Json& messages, const std::string& where);
// The same of what was said so far, which may hold no answer.
Turns read_said(const Json& messages, const std::string& where);
// The same as read_turns reads it again, with "train" where a turn says whether it is learned.
Json turns_json(const Turns& turns);
// A row: its turns as "messages", and "tools" where it has some.
Json row_json(const Turns& turns);

// The turn that is the row's answer where one is scored: the last answer.
size_t last_answer(const Turns& turns);
// Whether turn i is an answer to something: one that only system turns come before is none.
bool answers_something(std::span<const Turn> turns, size_t i);
// The turns that are learned: the answers that the row does not take out (of these the last alone,
// where `last_only`). May be none.
std::vector<size_t> learned_answers(const Turns& turns, bool last_only);
// What was said before turn `end`, as a text: for messages, for comparing rows, and for measures
// that look at the question. The contents, with an empty line between.
std::string said_before(const Turns& turns, size_t end);

}  // namespace ilora
