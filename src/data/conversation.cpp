#include "data/conversation.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/json.h"
#include "data/turn_keys.h"

namespace ilora {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& where, const std::string& hint) {
  throw Error(ErrorKind::kData, fmt::format("[data] {} ({})", what, where), hint);
}

bool says_nothing(const Json& value) {
  return value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty()) ||
         ((value.is_array() || value.is_object()) && value.empty());
}

std::string role_of(const Json& turn, const std::string& where) {
  const auto role = turn.find("role");
  const std::string name = role != turn.end() && role->is_string() ? role->get<std::string>() : "";
  for (const char* known : {"system", "user", "assistant", "tool"})
    if (name == known) return name;
  fail(role == turn.end()
           ? "expected a \"role\""
           : fmt::format("expected the role system, user, assistant or tool, got {}", role->dump()),
       where, "`ilora data import` reads other names of these roles.");
}

std::string content_of(const Json& turn, bool may_lack, const std::string& where) {
  const auto content = turn.find("content");
  if (may_lack && (content == turn.end() || content->is_null())) return {};
  if (content == turn.end() || (!content->is_string() && !content->is_array()))
    fail("expected a text in \"content\"", where,
         "A turn is {\"role\": \"...\", \"content\": \"...\"}.");
  if (content->is_string()) return content->get<std::string>();
  std::string text;
  for (const Json& part : *content) {
    const bool is_text = part.is_object() && part.contains("type") && part["type"] == "text" &&
                         part.contains("text") && part["text"].is_string();
    if (!is_text) fail("expected parts of type text in \"content\"", where, "Rows are text.");
    text += part["text"].get_ref<const std::string&>();
  }
  return text;
}

std::optional<bool> learned_of(const Json& turn, const std::string& role,
                               const std::string& where) {
  std::optional<bool> learned;
  for (const char* key : {"train", "weight"}) {
    const auto value = turn.find(key);
    if (value == turn.end() || value->is_null()) continue;
    const bool whole = value->is_boolean() || (value->is_number() && (*value == 0 || *value == 1));
    if (!whole)
      fail(fmt::format("expected 0 or 1 for \"{}\", got {}", key, value->dump()), where,
           "An answer is learned or it is not: there is no weight between.");
    const bool yes = value->is_boolean() ? value->get<bool>() : *value == 1;
    if (learned && *learned != yes)
      fail("\"train\" and \"weight\" say different things", where, "Keep one of the two.");
    learned = yes;
  }
  if (learned && role != "assistant") {
    if (*learned)
      fail(fmt::format("a turn of the {} is to be learned", role), where,
           "Answers alone are learned (train.train_on_prompt: everything).");
    learned.reset();
  }
  return learned;
}

}  // namespace

Turns read_said(const Json& messages, const std::string& where) {
  if (!messages.is_array()) fail("expected a list in \"messages\"", where, "");
  Turns turns;
  for (size_t i = 0; i < messages.size(); ++i) {
    const Json& turn = messages[i];
    const std::string here = fmt::format("turn {} of {}", i, where);
    if (!turn.is_object()) fail("expected an object", here, "");
    for (const auto& [key, value] : turn.items()) {
      constexpr std::array kRead = {"role", "content", "name", "weight", "train"};
      if (std::ranges::find(kRead, key) != kRead.end() || says_nothing(value) ||
          std::ranges::find(kTurnKeys, key) != kTurnKeys.end())
        continue;
      fail(fmt::format("\"{}\" is not learned from", key), here,
           "A turn has role, content, name, weight or train, tool_calls, tool_call_id and "
           "reasoning_content. What else it says is to be written into its content, or left out.");
    }
    const std::string role = role_of(turn, here);
    std::string more = turn_keys(turn, role, here);
    Turn& read = turns.emplace_back(Turn{role, content_of(turn, calls_tools(more), here)});
    read.more = std::move(more);
    read.learned = learned_of(turn, role, here);
    const auto name = turn.find("name");
    if (name == turn.end() || name->is_null()) continue;
    if (!name->is_string()) fail("expected a text in \"name\"", here, "");
    read.name = name->get<std::string>();
  }
  return turns;
}

Turns read_turns(const Json& messages, const std::string& where) {
  Turns turns = read_said(messages, where);
  for (size_t i = 0; i < turns.size(); ++i)
    if (is_answer(turns[i]) && answers_something(turns, i)) return turns;
  fail("expected an answer (a turn of the assistant) to something", where,
       "A row teaches what the assistant says after another turn.");
}

Json turns_json(const Turns& turns) {
  Json list = Json::array();
  for (const Turn& turn : turns) {
    Json& one = list.emplace_back(Json{{"role", turn.role}, {"content", turn.content}});
    if (!turn.name.empty()) one["name"] = turn.name;
    if (!turn.more.empty()) one.update(parse_json(turn.more, "a turn"));
    if (turn.learned) one["train"] = *turn.learned;
  }
  return list;
}

Json row_json(const Turns& turns) {
  Json row = {{"messages", turns_json(turns)}};
  if (!turns.front().tools.empty()) row["tools"] = parse_json(turns.front().tools, "a row");
  return row;
}

bool answers_something(std::span<const Turn> turns, size_t i) {
  return std::ranges::any_of(turns.first(i),
                             [](const Turn& turn) { return turn.role != "system"; });
}

size_t last_answer(const Turns& turns) {
  for (size_t i = turns.size(); i-- > 0;)
    if (is_answer(turns[i]) && answers_something(turns, i)) return i;
  ILORA_CHECK(false, "a conversation without an answer");
}

std::vector<size_t> learned_answers(const Turns& turns, bool last_only) {
  std::vector<size_t> learned;
  for (size_t i = 0; i < turns.size(); ++i) {
    if (!is_answer(turns[i]) || !answers_something(turns, i)) continue;
    if (turns[i].learned.value_or(true) && (!last_only || i == last_answer(turns)))
      learned.push_back(i);
  }
  return learned;
}

std::string said_before(const Turns& turns, size_t end) {
  std::string text;
  for (size_t i = 0; i < end; ++i) text += (i == 0 ? "" : "\n\n") + turns[i].content;
  return text;
}

}  // namespace ilora
