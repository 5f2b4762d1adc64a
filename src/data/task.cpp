#include "data/task.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "data/text_file.h"
#include "data/turn_keys.h"
#include "text/utf8.h"

namespace ilora {
namespace {

// The rows that a limit leaves, in their order (read_task says which).
std::vector<Example> limited(std::vector<Example> rows, int64_t limit, Split split, uint64_t seed) {
  if (limit == 0 || static_cast<int64_t>(rows.size()) <= limit) return rows;
  std::vector<int64_t> first_ones, repeats;
  std::set<std::string> seen;
  const auto count = static_cast<int64_t>(rows.size());
  for (const int64_t i :
       Random(seed, Stream::kRows, static_cast<uint64_t>(split)).permutation(count)) {
    const Example& row = rows[static_cast<size_t>(i)];
    (seen.insert(row_key(row)).second ? first_ones : repeats).push_back(i);
  }
  first_ones.insert(first_ones.end(), repeats.begin(), repeats.end());
  first_ones.resize(static_cast<size_t>(limit));
  std::ranges::sort(first_ones);
  std::vector<Example> chosen;
  chosen.reserve(first_ones.size());
  for (const int64_t i : first_ones) chosen.push_back(std::move(rows[static_cast<size_t>(i)]));
  return chosen;
}

// A row of "messages" has nothing beside them that says something.
Example read_conversation(const Json& row, int64_t number, const std::string& where) {
  constexpr std::array kSaying = {"prompt",        "answer", "system", "functions", "tool_choice",
                                  "function_call", "images", "videos", "audios",    "chosen",
                                  "rejected",      "weight", "train"};
  const std::string here = fmt::format("row {} of {}", number, where);
  for (const char* key : kSaying) {
    const auto at = row.find(key);
    if (at == row.end() || at->is_null() || at->empty() || *at == "") continue;
    throw Error(
        ErrorKind::kData,
        fmt::format("[data] expected nothing but turns beside \"messages\", got \"{}\" ({})", key,
                    here),
        "A system text is a turn of the role system; \"train\" and \"weight\" stand in "
        "turns.");
  }
  Turns turns = read_turns(row["messages"], here);
  if (row.contains("tools")) turns.front().tools = tools_of(row["tools"], here);
  return conversation_of(std::move(turns), number);
}

Example read_row(const Json& row, int64_t number, const std::string& where) {
  if (row.is_object() && row.contains("messages")) return read_conversation(row, number, where);
  for (const char* key : {"prompt", "answer"}) {
    if (row.is_object() && row.contains(key) && row[key].is_string()) continue;
    throw Error(ErrorKind::kData,
                fmt::format("[data] row {} has no \"{}\" text ({})", number, key, where),
                R"(Each row is {"prompt": "...", "answer": "..."}, or {"messages": [...]}; rows )"
                "count from 0. `ilora data import` makes a task folder of other forms.");
  }
  return {row["prompt"].get<std::string>(), row["answer"].get<std::string>(), number};
}

std::vector<Example> read_split(const std::filesystem::path& path) {
  const std::string where = path.string();
  const Json json = parse_json(read_utf8(path), where);
  if (!json.is_array()) {
    throw Error(ErrorKind::kData, fmt::format("[data] expected a list of rows in {}", where),
                R"(Each file holds a JSON list of {"prompt": "...", "answer": "..."}, or of )"
                R"({"messages": [...]}. `ilora data import` makes a task folder of other forms.)");
  }
  std::vector<Example> examples;
  for (size_t i = 0; i < json.size(); ++i) {
    examples.push_back(read_row(json[i], static_cast<int64_t>(i), where));
  }
  if (examples.empty())
    throw Error(ErrorKind::kData, fmt::format("[data] {} holds no rows", where));
  return examples;
}

void write_split(const std::filesystem::path& path, const std::vector<Example>& examples) {
  std::string text = "[\n";
  for (size_t i = 0; i < examples.size(); ++i) {
    const Example& example = examples[i];
    const Json row = example.turns.empty()
                         ? Json{{"prompt", example.prompt}, {"answer", example.answer}}
                         : row_json(example.turns);
    std::string all = example.prompt + example.answer;
    for (const Turn& turn : example.turns) all += turn.content + turn.name + turn.more + turn.tools;
    if (find_invalid_utf8(all) < all.size()) {
      throw Error(ErrorKind::kData,
                  fmt::format("[data] row {} is not UTF-8 ({})", i, path.string()),
                  "Convert the text, for example by iconv.");
    }
    text += row.dump() + (i + 1 < examples.size() ? ",\n" : "\n");
  }
  write_file_atomic(path, text + "]\n");
}

// What is scored is a text.
void require_scorable(const Example& row, Split split, const std::string& task) {
  if (row.turns.empty() || !calls_tools(row.turns[last_answer(row.turns)].more)) return;
  throw Error(ErrorKind::kData,
              fmt::format("[data] the last answer of row {} of {}/{}.json calls a tool", row.row,
                          task, split_name(split)),
              "Such answers are learned, not scored: end the row with what is said after it, or "
              "keep it in train.json.");
}

}  // namespace

Split parse_split(const std::string& name) {
  for (const Split split : {Split::kTrain, Split::kEval, Split::kTest}) {
    if (name == split_name(split)) return split;
  }
  throw Error(ErrorKind::kUsage, fmt::format("[data] there is no split '{}'", name),
              "The splits are train, eval and test.");
}

const char* split_name(Split split) {
  switch (split) {
    case Split::kTrain:
      return "train";
    case Split::kEval:
      return "eval";
    case Split::kTest:
      return "test";
  }
  return "?";
}

const std::vector<Example>& TaskText::split(Split which) const {
  return which == Split::kTrain ? train : which == Split::kEval ? eval : test;
}

std::string TaskText::where(Split which, size_t place) const {
  return fmt::format("row {} of {}/{}.json", row_number(split(which)[place], place), name,
                     split_name(which));
}

int64_t TaskText::new_tokens(int64_t asked) const {
  if (asked > 0) return asked;
  return definition.max_new_tokens > 0 ? definition.max_new_tokens : kNewTokens;
}

std::string prompt_key(const std::string& prompt) {
  std::string key;
  for (size_t i = 0; i < prompt.size();) {
    const Utf8Unit unit = utf8_unit(prompt, i);
    if (!unit.valid || !is_white_space(utf8_at(prompt, i))) key += prompt.substr(i, unit.length);
    i += unit.length;
  }
  return key;
}

Example conversation_of(Turns turns, int64_t row) {
  const size_t last = last_answer(turns);
  std::string prompt = said_before(turns, last), answer = turns[last].content;
  if (answer.empty() && !turns[last].more.empty()) answer = turns[last].more;
  return {std::move(prompt), std::move(answer), row, std::move(turns)};
}

std::string row_key(const Example& example) {
  const auto part = [](const std::string& text) { return fmt::format("{}:{}", text.size(), text); };
  if (example.turns.empty()) return part(example.prompt) + part(example.answer);
  std::string key = "messages";
  for (const Turn& turn : example.turns) {
    key += part(turn.role) + part(turn.name) + part(turn.content);
    if (!turn.more.empty() || !turn.tools.empty()) key += part(turn.more) + part(turn.tools);
    if (turn.learned) key += *turn.learned ? "+" : "-";
  }
  return key;
}

std::vector<std::string> prompt_keys(const Example& example) {
  std::vector<std::string> keys;
  for (const size_t answer : learned_answers(example.turns, false))
    keys.push_back(prompt_key(said_before(example.turns, answer)));
  const std::string own = prompt_key(example.prompt);
  if (keys.empty() || keys.back() != own) keys.push_back(own);
  return keys;
}

std::string task_name(const std::filesystem::path& folder) {
  const std::filesystem::path whole = std::filesystem::absolute(folder).lexically_normal();
  const bool slash_at_the_end = whole.filename().empty();
  return (slash_at_the_end ? whole.parent_path() : whole).filename().string();
}

TaskText read_task(const std::filesystem::path& folder, const TaskLimits& limits, Split scored) {
  if (!std::filesystem::is_directory(folder)) {
    throw Error(
        ErrorKind::kFile, fmt::format("[data] there is no task folder {}", folder.string()),
        "A task is a folder with train.json and test.json (and, if you have it, eval.json).");
  }
  TaskText task;
  task.name = task_name(folder);
  task.definition = definition_of(folder, task.name);
  std::set<std::string> answers;
  const auto read = [&](Split split, int64_t limit, uint64_t seed = 0) {
    std::vector<Example> rows = read_split(folder / fmt::format("{}.json", split_name(split)));
    for (const Example& row : rows) {
      answers.insert(row.answer);
      if (split != Split::kTrain) require_scorable(row, split, task.name);
    }
    return limited(std::move(rows), limit, split, seed);
  };
  task.train = read(Split::kTrain, limits.train, limits.train_seed);
  if (scored != Split::kEval) task.test = read(Split::kTest, limits.test);
  if (std::filesystem::exists(folder / "eval.json")) task.eval = read(Split::kEval, limits.eval);
  task.answers.assign(answers.begin(), answers.end());
  return task;
}

void write_task(const std::filesystem::path& folder, const TaskText& task) {
  make_folder(folder);
  for (const Split split : {Split::kTrain, Split::kEval, Split::kTest}) {
    if (split == Split::kEval && task.eval.empty()) continue;
    write_split(folder / fmt::format("{}.json", split_name(split)), task.split(split));
  }
}

}  // namespace ilora
