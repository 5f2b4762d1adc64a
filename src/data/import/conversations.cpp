#include "data/import/conversations.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "data/turn_keys.h"

namespace ilora {
namespace {

// What rows of text cannot hold.
constexpr std::array kMeaningful = {
    "tools",       "functions", "tool_calls", "function_call", "image",     "images",
    "video",       "videos",    "audio",      "audios",        "chosen",    "rejected",
    "kto_tag",     "reasoning", "thinking",   "documents",     "citations", "reasoning_content",
    "tool_call_id"};

bool says_nothing(const Json& value) {
  return value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty()) ||
         ((value.is_array() || value.is_object()) && value.empty());
}

// Of them turns of a conversation, and a record of one, have some (turn_keys.h).
void refuse_meaningful(const Record& record, const Json& fields, bool conversation = false) {
  for (const char* name : kMeaningful) {
    const auto at = fields.find(name);
    if (at == fields.end() || says_nothing(*at)) continue;
    const std::string_view key = name;
    if (conversation && (key == "tools" || std::ranges::find(kTurnKeys, key) != kTurnKeys.end()))
      continue;
    fail_record(record, fmt::format("no \"{}\": rows are text that is asked and answered", name),
                "Leave such records out, or, where the field does not matter, say so: --ignore " +
                    std::string(name));
  }
}

// One text, or OpenAI's list of parts that are texts.
std::string text_of(const Record& turn, const char* field) {
  const Json& value = turn.at(field);
  if (!value.is_array()) return turn.text(field);
  std::string text;
  for (const Json& part : value) {
    const bool is_text = part.is_object() && part.value("type", "") == "text" &&
                         part.contains("text") && part["text"].is_string();
    if (!is_text) fail_record(turn, fmt::format("parts of type text in \"{}\"", field));
    text += part["text"].get_ref<const std::string&>();
  }
  return text;
}

// The role of what somebody says, in the names that people have for it.
std::string role_of(const Record& turn, const std::string& who, bool pairs) {
  constexpr std::array kAnswering = {"gpt", "assistant", "chatgpt", "bing", "bard", "model"};
  constexpr std::array kTelling = {"system", "developer"};
  constexpr std::array kTools = {"tool", "function", "observation"};
  const auto is = [&](const auto& names) { return std::ranges::find(names, who) != names.end(); };
  if (is(kAnswering)) return "assistant";
  if (is(kTelling)) return "system";
  if (who == "human" || who == "user") return "user";
  if (is(kTools)) return pairs ? "user" : "tool";
  fail_record(turn, fmt::format("one of {} (who answer) or human, user, {}, {}, got '{}'",
                                fmt::join(kAnswering, ", "), fmt::join(kTelling, ", "),
                                fmt::join(kTools, ", "), who));
}

// Whether a turn is to be learned, as its record says.
std::optional<bool> learned_of(const Record& turn) {
  for (const char* name : {"weight", "train", "loss"}) {
    const auto at = turn.fields.find(name);
    if (at == turn.fields.end() || at->is_null()) continue;
    if (at->is_boolean()) return at->get<bool>();
    const bool whole = at->is_number() && (*at == 0 || *at == 1);
    if (!whole) {
      fail_record(turn, fmt::format("0 or 1 for \"{}\", got {}", name, at->dump()),
                  "An answer is learned or it is not: there is no weight between.");
    }
    return *at == 1;
  }
  return {};
}

// "history": pairs of what was asked and answered before.
void add_history(const Record& record, Turns& turns) {
  const auto at = record.fields.find("history");
  if (at == record.fields.end() || says_nothing(*at)) return;
  const auto is_text = [](const Json& value) { return value.is_string(); };
  for (const Json& pair : at->is_array() ? *at : Json::array({Json()})) {
    if (!pair.is_array() || pair.size() != 2 || !std::ranges::all_of(pair, is_text))
      fail_record(record, "pairs of texts in \"history\"");
    turns.push_back({"user", pair[0].get<std::string>()});
    turns.push_back({"assistant", pair[1].get<std::string>()});
  }
}

void add_system(const Record& record, Turns& turns) {
  for (const char* name : {"system", "system_prompt"}) {
    const std::string text = record.text_or_nothing(name);
    if (text.empty()) continue;
    turns.push_back({"system", text});
    return;
  }
}

// All that was said before turn `end`, each text with an empty line behind it.
std::string told(const Turns& turns, size_t end) {
  std::string text;
  for (size_t i = 0; i < end; ++i) text += turns[i].content + "\n\n";
  return text;
}

void add_unread(std::set<std::string>& unread, const Json& fields,
                const std::set<std::string>& read) {
  for (const auto& [name, value] : fields.items())
    if (!read.contains(name) && !says_nothing(value)) unread.insert(name);
}

// The turns of a record's list; `pairs`: what tools say is read, too.
Turns turns_of(const Record& record, bool pairs) {
  const bool messages = record.fields.contains("messages");
  const Json& list = record.at(messages ? "messages" : "conversations");
  if (!list.is_array()) fail_record(record, "a list of turns");
  Turns turns;
  add_system(record, turns);
  for (const Json& fields : list) {
    const Record turn{fields, record.where};
    if (!fields.is_object()) fail_record(record, "an object for each turn");
    refuse_meaningful(record, fields, !pairs);
    // Either convention, whatever the list is called.
    const std::string who = turn.text(fields.contains("role") ? "role" : "from");
    const std::string role = role_of(turn, who, pairs);
    const std::string more = pairs ? "" : turn_keys(fields, role, record.where);
    const char* said = fields.contains("content") ? "content" : "value";
    const bool silent = calls_tools(more) && (!fields.contains(said) || says_nothing(fields[said]));
    Turn& read = turns.emplace_back(Turn{role, silent ? "" : text_of(turn, said)});
    read.more = more;
    read.name = turn.text_or_nothing("name");
    read.learned = learned_of(turn);
    if (is_answer(read)) continue;
    if (read.learned == true)
      fail_record(
          record, fmt::format("no turn of {} that is to be learned", who),
          "Answers alone are learned; --ignore takes \"weight\", \"train\" or \"loss\" out.");
    read.learned.reset();
  }
  return turns;
}

}  // namespace

std::vector<ImportedRow> alpaca_rows(std::span<const Record> records,
                                     const ImportTemplates& templates) {
  std::vector<ImportedRow> rows;
  for (const Record& record : records) {
    refuse_meaningful(record, record.fields);
    Turns turns;
    add_system(record, turns);
    add_history(record, turns);
    // An instruction without words: the input is the question.
    std::string asked;
    for (const std::string& part :
         {record.text_or_nothing("instruction"), record.text_or_nothing("input")})
      if (!part.empty()) asked += part + "\n";
    const std::string answer = record.text("output");
    if (asked.empty() && turns.empty()) fail_record(record, "an \"instruction\" or an \"input\"");
    if (templates.pairs || turns.empty()) {
      rows.push_back({{told(turns, turns.size()) + asked, answer}, &record});
      continue;
    }
    if (!asked.empty()) turns.push_back({"user", asked.substr(0, asked.size() - 1)});
    turns.push_back({"assistant", answer});
    if (learned_answers(turns, false).empty()) fail_record(record, "an \"instruction\"");
    rows.push_back({conversation_of(std::move(turns)), &record});
  }
  return rows;
}

std::vector<ImportedRow> conversation_rows(std::span<const Record> records,
                                           const ImportTemplates& templates) {
  std::vector<ImportedRow> rows;
  for (const Record& record : records) {
    refuse_meaningful(record, record.fields, !templates.pairs);
    Turns turns = turns_of(record, templates.pairs);
    if (!templates.pairs && !turns.empty() && record.fields.contains("tools"))
      turns.front().tools = tools_of(record.fields["tools"], record.where);
    const std::vector<size_t> learned = learned_answers(turns, false);
    if (learned.empty()) continue;  // left out, and counted
    if (!templates.pairs) {
      rows.push_back({conversation_of(std::move(turns)), &record});
      continue;
    }
    for (const size_t answer : learned)
      rows.push_back({{told(turns, answer), turns[answer].content}, &record});
  }
  return rows;
}

std::set<std::string> alpaca_unread(std::span<const Record> records) {
  static const std::set<std::string> read = {"instruction", "input",         "output",
                                             "system",      "system_prompt", "history"};
  std::set<std::string> unread;
  for (const Record& record : records) add_unread(unread, record.fields, read);
  return unread;
}

std::set<std::string> conversation_unread(std::span<const Record> records) {
  static const std::set<std::string> read = {"conversations", "messages", "system", "system_prompt",
                                             "tools"};
  std::set<std::string> of_turns = {"role", "from",   "content", "value",
                                    "name", "weight", "train",   "loss"};
  of_turns.insert(kTurnKeys.begin(), kTurnKeys.end());
  std::set<std::string> unread;
  for (const Record& record : records) {
    add_unread(unread, record.fields, read);
    for (const char* list : {"conversations", "messages"}) {
      const auto turns = record.fields.find(list);
      if (turns == record.fields.end()) continue;
      for (const Json& turn : *turns) add_unread(unread, turn, of_turns);
    }
  }
  return unread;
}

}  // namespace ilora
