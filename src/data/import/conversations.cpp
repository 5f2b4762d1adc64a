#include "data/import/conversations.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/error.h"

namespace ilora {
namespace {

// What rows of text cannot hold.
constexpr std::array kMeaningful = {"tools",  "functions", "tool_calls", "function_call", "image",
                                    "images", "video",     "videos",     "audio",         "audios",
                                    "chosen", "rejected",  "kto_tag"};

bool says_nothing(const Json& value) {
  return value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty()) ||
         ((value.is_array() || value.is_object()) && value.empty());
}

void refuse_meaningful(const Record& record, const Json& fields) {
  for (const char* name : kMeaningful) {
    const auto at = fields.find(name);
    if (at == fields.end() || says_nothing(*at)) continue;
    fail_record(record, fmt::format("no \"{}\": rows are a prompt and an answer in text", name),
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

// Whether what somebody says in a conversation is an answer.
bool answers(const Record& turn, const std::string& who) {
  constexpr std::array kAnswering = {"gpt", "assistant", "chatgpt", "bing", "bard", "model"};
  constexpr std::array kAsking = {"human", "user",     "system",     "developer",
                                  "tool",  "function", "observation"};
  if (std::ranges::find(kAnswering, who) != kAnswering.end()) return true;
  if (std::ranges::find(kAsking, who) != kAsking.end()) return false;
  fail_record(turn, fmt::format("one of {} (who answer) or {}, got '{}'",
                                fmt::join(kAnswering, ", "), fmt::join(kAsking, ", "), who));
}

// Whether a turn is to be learned, as its record says; by default it is.
bool is_learned(const Record& turn) {
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
  return true;
}

// "history": pairs of what was asked and answered before.
std::string history_of(const Record& record) {
  const auto at = record.fields.find("history");
  if (at == record.fields.end() || says_nothing(*at)) return {};
  std::string said;
  const auto is_text = [](const Json& value) { return value.is_string(); };
  for (const Json& pair : at->is_array() ? *at : Json::array({Json()})) {
    if (!pair.is_array() || pair.size() != 2 || !std::ranges::all_of(pair, is_text))
      fail_record(record, "pairs of texts in \"history\"");
    for (const Json& text : pair) said += text.get<std::string>() + "\n\n";
  }
  return said;
}

std::string system_of(const Record& record) {
  for (const char* name : {"system", "system_prompt"}) {
    const std::string text = record.text_or_nothing(name);
    if (!text.empty()) return text + "\n\n";
  }
  return {};
}

void add_unread(std::set<std::string>& unread, const Json& fields,
                const std::set<std::string>& read) {
  for (const auto& [name, value] : fields.items())
    if (!read.contains(name) && !says_nothing(value)) unread.insert(name);
}

}  // namespace

std::vector<ImportedRow> alpaca_rows(std::span<const Record> records, const ImportTemplates&) {
  std::vector<ImportedRow> rows;
  for (const Record& record : records) {
    refuse_meaningful(record, record.fields);
    std::string prompt = system_of(record) + history_of(record);
    // An instruction without words: the input is the question.
    for (const std::string& part :
         {record.text_or_nothing("instruction"), record.text_or_nothing("input")})
      if (!part.empty()) prompt += part + "\n";
    if (prompt.empty()) fail_record(record, "an \"instruction\" or an \"input\"");
    rows.push_back({{prompt, record.text("output")}, &record});
  }
  return rows;
}

std::vector<ImportedRow> conversation_rows(std::span<const Record> records,
                                           const ImportTemplates&) {
  std::vector<ImportedRow> rows;
  for (const Record& record : records) {
    refuse_meaningful(record, record.fields);
    const bool messages = record.fields.contains("messages");
    const Json& turns = record.at(messages ? "messages" : "conversations");
    if (!turns.is_array()) fail_record(record, "a list of turns");
    std::string before = system_of(record);
    bool asked = false;  // what begins a conversation answers nothing
    for (const Json& fields : turns) {
      const Record turn{fields, record.where};
      if (!fields.is_object()) fail_record(record, "an object for each turn");
      refuse_meaningful(record, fields);
      // Either convention, whatever the list is called.
      const bool by_role = fields.contains("role");
      const std::string who = turn.text(by_role ? "role" : "from");
      const std::string said = text_of(turn, fields.contains("content") ? "content" : "value");
      if (answers(turn, who) && asked && is_learned(turn))
        rows.push_back({{before, said}, &record});
      asked = true;
      before += said + "\n\n";
    }
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
  static const std::set<std::string> read = {"conversations", "messages", "system",
                                             "system_prompt"},
                                     of_turns = {"role",   "from",  "content", "value",
                                                 "weight", "train", "loss"};
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
