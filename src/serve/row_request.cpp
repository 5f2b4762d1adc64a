#include "serve/row_request.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "data/turn_keys.h"
#include "serve/request_error.h"
#include "serve/request_fields.h"

namespace ilora {
namespace {

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

std::string filled(RequestFields& fields, const char* key, const std::string& where) {
  const std::string text = fields.text(key).value_or("");
  if (is_blank(text))
    throw RequestError(kBadRequest,
                       fmt::format("[teach] expected a text in \"{}\" ({})", key, where));
  return text;
}

// Of a run that learns prompts as they stand: a question and its answer.
Example as_prompt(const Turns& turns, const std::string& where) {
  if (turns.size() == 2 && turns[0].role == "user" && is_answer(turns[1]) &&
      turns[0].more.empty() && turns[1].more.empty())
    return {turns[0].content, turns[1].content};
  throw RequestError(
      kBadRequest,
      fmt::format("[teach] this run learns prompts as they stand (data.template: raw), "
                  "not conversations ({})",
                  where),
      "Teach one question and its answer.");
}

Example corrected(const GivenAnswer& given, std::string answer, bool chat,
                  const std::string& where) {
  if (!chat) {  // the white space that an answer begins with is a part of it
    const size_t begin = given.answer.find_first_not_of(" \n");
    if (begin != std::string::npos && answer.find_first_not_of(" \n") == 0)
      answer.insert(0, given.answer, 0, begin);
  }
  if (given.said.empty()) return {given.prompt, std::move(answer)};
  Turns turns = given.said;
  turns.push_back({"assistant", std::move(answer)});
  for (Turn& turn : turns)  // the correction alone is learned
    if (is_answer(turn)) turn.learned = &turn == &turns.back();
  turns.back().learned.reset();
  return chat ? conversation_of(std::move(turns)) : as_prompt(turns, where);
}

}  // namespace

Example read_taught_row(const Json& row, const RecentAnswers& recent, bool chat,
                        const std::string& where) {
  RequestFields fields(row);
  Example read;
  if (const Json* messages = fields.find("messages")) {
    Turns turns = read_turns(*messages, where);
    if (const Json* tools = fields.find("tools")) turns.front().tools = tools_of(*tools, where);
    read = chat ? conversation_of(std::move(turns)) : as_prompt(turns, where);
  } else if (const auto id = fields.text("id")) {
    const auto given = recent.find(*id);
    if (!given)
      throw RequestError(kNotFound,
                         fmt::format("[teach] no answer of late has the id of {}", where),
                         "Send the row with its question: {\"messages\": [...]}.");
    read = corrected(*given, filled(fields, "answer", where), chat, where);
  } else {
    read = {filled(fields, "prompt", where), filled(fields, "answer", where)};
  }
  fields.done();
  return read;
}

std::vector<Example> read_taught_lines(const std::string& text, bool chat) {
  const RecentAnswers none;
  std::vector<Example> rows;
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (is_blank(line)) continue;
    const std::string where = fmt::format("line {}", number);
    rows.push_back(read_taught_row(parse_json(line, where), none, chat, where));
  }
  return rows;
}

}  // namespace ilora
