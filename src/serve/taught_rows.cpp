#include "serve/taught_rows.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "data/conversation.h"
#include "runs/seal.h"
#include "serve/durable_lines.h"
#include "serve/request_error.h"

namespace ilora {
namespace {

using Clock = std::chrono::steady_clock;

Json json_of_row(const Example& row) {
  if (!row.turns.empty()) return row_json(row.turns);
  return {{"prompt", row.prompt}, {"answer", row.answer}};
}

Example row_of(const Json& json) {
  if (json.contains("messages"))
    return conversation_of(read_turns(json["messages"], "a taught row"));
  return {json.at("prompt").get<std::string>(), json.at("answer").get<std::string>()};
}

std::vector<Example> rows_of(const Json& list) {
  std::vector<Example> rows;
  for (const Json& json : list) rows.push_back(row_of(json));
  return rows;
}

Json json_of_rows(const std::vector<Example>& rows) {
  Json list = Json::array();
  for (const Example& row : rows) list.push_back(json_of_row(row));
  return list;
}

int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Few different answers are labels, between which a score chooses; others are texts, of which it is
// what the learner says that counts.
std::string definition_text(const std::vector<Example>& rows) {
  std::set<std::string> answers;
  size_t longest = 0;
  for (const Example& row : rows) {
    answers.insert(row.answer);
    longest = std::max(longest, row.answer.size());
  }
  if (answers.size() > 1 && answers.size() <= 20 && 2 * answers.size() <= rows.size()) return {};
  // A token is rarely less than two bytes.
  return fmt::format("measure: rouge-l\nmax_new_tokens: {}\n",
                     std::clamp<size_t>(longest / 2, 16, 256));
}

}  // namespace

Example taught_row(const Json& json) {
  return row_of(json);
}

Json blank_taught_row() {
  return {{"prompt", "-"}, {"answer", "-"}};
}

bool is_task_name(const std::string& name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 64 && name.front() != '.' &&
         std::ranges::all_of(name, good);
}

TaughtRows::TaughtRows(const RunFolder& folder, TaughtLimits limits)
    : folder_(folder),
      file_(folder.path() / "serve" / "taught.jsonl"),
      limits_(limits),
      last_added_(Clock::now()) {
  DurableLines read = read_durable_lines(file_);
  warnings_ = std::move(read.warnings);
  for (const Json& event : read.objects) take(event);
  const std::string blank = row_key(row_of(blank_taught_row()));
  std::erase_if(waiting_, [&](const Waiting& one) { return row_key(one.row) == blank; });
}

// What an event of the file says, read or just written.
void TaughtRows::take(const Json& event) {
  const std::string kind = event.value("event", "");
  if (kind == "rows") {
    const std::string task = event.value("task", ""), key = event.value("key", "");
    int64_t number = event.at("first").get<int64_t>();
    std::vector<int64_t> numbers;
    for (const Json& row : event.at("rows")) {
      numbers.push_back(number);
      waiting_.push_back({number++, task, taught_row(row)});
    }
    next_ = std::max(next_, number);
    if (!key.empty()) keys_[key] = numbers;
  } else if (kind == "task") {
    TaughtTask task{event.at("name").get<std::string>(), {}, {}, event.value("time", int64_t{0})};
    for (const Json& number : event.at("rows")) {
      const auto at = std::ranges::find(waiting_, number.get<int64_t>(), &Waiting::number);
      if (at == waiting_.end()) continue;  // its line was damaged
      task.rows.push_back(std::move(at->row));
      waiting_.erase(at);
    }
    tasks_.push_back(std::move(task));
  } else if (kind == "job") {
    tasks_.push_back({event.at("name").get<std::string>(), rows_of(event.at("train")),
                      rows_of(event.at("test")), event.value("time", int64_t{0}),
                      event.value("training_file", ""), event.value("validation_file", "")});
  }
}

void TaughtRows::record(const Json& event) {
  add_durable_line(file_, event);
  take(event);
}

std::vector<int64_t> TaughtRows::add(const std::vector<Example>& rows, const std::string& task,
                                     const std::string& source, const std::string& key) {
  if (const auto seen = keys_.find(key); seen != keys_.end()) return seen->second;
  if (!task.empty() && !is_task_name(task))
    throw RequestError(kBadRequest,
                       "[teach] expected a task's name of letters, digits, '.', '_' and "
                       "'-', at most 64, without a dot in front");
  if (rows.empty()) throw RequestError(kBadRequest, "[teach] there are no rows");
  if (std::ssize(rows) > limits_.rows_of_a_call)
    throw RequestError(kTooLarge,
                       fmt::format("[teach] at most {} rows can be taught at once, got {}",
                                   limits_.rows_of_a_call, rows.size()));
  if (count_waiting() + std::ssize(rows) > limits_.waiting)
    throw RequestError(kTooMany,
                       fmt::format("[teach] {} rows wait to be learned already", count_waiting()));
  Json event = {{"event", "rows"}, {"first", next_},   {"time", now()},
                {"task", task},    {"source", source}, {"rows", json_of_rows(rows)}};
  if (!key.empty()) event["key"] = key;
  const int64_t first = next_;
  record(event);
  last_added_ = Clock::now();
  std::vector<int64_t> numbers;
  for (int64_t number = first; number < next_; ++number) numbers.push_back(number);
  return numbers;
}

std::string TaughtRows::free_name(const std::string& wanted,
                                  const std::set<std::string>& used) const {
  const auto taken = [&](const std::string& name) {
    return used.contains(name) || std::ranges::count(tasks_, name, &TaughtTask::name) > 0;
  };
  if (!wanted.empty() && !taken(wanted)) return wanted;
  for (int64_t number = wanted.empty() ? 1 : 2;; ++number) {
    const std::string name =
        wanted.empty() ? fmt::format("taught-{:03}", number) : fmt::format("{}-{}", wanted, number);
    if (!taken(name)) return name;
  }
}

std::string TaughtRows::close(const std::string& task, const std::set<std::string>& used) {
  Json numbers = Json::array();
  for (const Waiting& row : waiting_)
    if (row.task == task) numbers.push_back(row.number);
  if (numbers.empty()) return {};
  const std::string name = free_name(task, used);
  record({{"event", "task"}, {"name", name}, {"time", now()}, {"rows", std::move(numbers)}});
  return name;
}

std::string TaughtRows::add_task(const TaughtTask& task, const std::set<std::string>& used) {
  if (!is_task_name(task.name)) throw RequestError(kBadRequest, "[teach] this is no task's name");
  const std::string name = free_name(task.name, used);
  record({{"event", "job"},
          {"name", name},
          {"time", now()},
          {"training_file", task.training_file},
          {"validation_file", task.validation_file},
          {"train", json_of_rows(task.rows)},
          {"test", json_of_rows(task.test)}});
  return name;
}

void TaughtRows::blank(const std::string& task, const std::set<int64_t>& numbers) {
  std::vector<Json> events = read_durable_lines(file_).objects;
  const Json nothing = blank_taught_row();
  const auto blank_taught = [&](int64_t number) {
    for (Json& event : events) {
      if (event.value("event", "") != "rows") continue;
      const int64_t at = number - event.at("first").get<int64_t>();
      if (at >= 0 && at < std::ssize(event["rows"]))
        event["rows"][static_cast<size_t>(at)] = nothing;
    }
  };
  for (Json& event : events) {
    if (event.value("name", "") != task) continue;
    const bool job = event.value("event", "") == "job";
    const Json rows = event.at(job ? "train" : "rows");
    for (const int64_t number : numbers) {
      if (number < 0 || number >= std::ssize(rows)) continue;
      const Json& row = rows[static_cast<size_t>(number)];
      if (!job) {
        blank_taught(row.get<int64_t>());
        continue;
      }
      for (const char* split : {"train", "test"})
        for (Json& one : event[split])
          if (one == row) one = nothing;
    }
  }
  std::string text;
  for (Json& event : events) {
    event.erase("hash");
    text += sealed_line(event) + "\n";
  }
  write_file_atomic(file_, text);
  for (TaughtTask& known : tasks_) {
    if (known.name != task) continue;
    for (const int64_t number : numbers)
      if (number >= 0 && number < std::ssize(known.rows))
        known.rows[static_cast<size_t>(number)] = row_of(nothing);
  }
}

std::map<std::string, int64_t> TaughtRows::waiting() const {
  std::map<std::string, int64_t> counts;
  for (const Waiting& row : waiting_) ++counts[row.task];
  return counts;
}

void TaughtRows::write(const TaughtTask& task) const {
  const std::filesystem::path folder = folder_.given_tasks() / task.name;
  write_task(folder, {task.name, task.rows, {}, task.test.empty() ? task.rows : task.test});
  const std::string definition = definition_text(task.rows);
  if (!definition.empty()) write_file_atomic(folder / "task.yaml", definition);
}

}  // namespace ilora
