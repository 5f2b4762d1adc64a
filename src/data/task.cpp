#include "data/task.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace ilora {
namespace {

std::vector<Example> read_split(const std::filesystem::path& path, int64_t limit) {
  const std::string where = path.string();
  const Json json = read_json(path);
  if (!json.is_array()) {
    throw Error(ErrorKind::kData, fmt::format("[data] expected a list of rows in {}", where),
                R"(Each file holds a JSON list of {"prompt": "...", "answer": "..."}.)");
  }
  std::vector<Example> examples;
  for (size_t i = 0; i < json.size(); ++i) {
    if (limit > 0 && static_cast<int64_t>(i) >= limit) break;
    const Json& row = json[i];
    for (const char* key : {"prompt", "answer"}) {
      if (row.is_object() && row.contains(key) && row[key].is_string()) continue;
      throw Error(ErrorKind::kData,
                  fmt::format("[data] row {} has no \"{}\" text ({})", i, key, where),
                  R"(Each row is {"prompt": "...", "answer": "..."}; rows count from 0.)");
    }
    examples.push_back({row["prompt"].get<std::string>(), row["answer"].get<std::string>()});
  }
  if (examples.empty())
    throw Error(ErrorKind::kData, fmt::format("[data] {} holds no rows", where));
  return examples;
}

void write_split(const std::filesystem::path& path, const std::vector<Example>& examples) {
  std::string text = "[\n";
  for (size_t i = 0; i < examples.size(); ++i) {
    const Json row = {{"prompt", examples[i].prompt}, {"answer", examples[i].answer}};
    text += row.dump() + (i + 1 < examples.size() ? ",\n" : "\n");
  }
  write_file_atomic(path, text + "]\n");
}

}  // namespace

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

TaskText read_task(const std::filesystem::path& folder, const TaskLimits& limits, Split scored) {
  if (!std::filesystem::is_directory(folder)) {
    throw Error(
        ErrorKind::kFile, fmt::format("[data] there is no task folder {}", folder.string()),
        "A task is a folder with train.json and test.json (and, if you have it, eval.json).");
  }
  TaskText task;
  task.name = std::filesystem::absolute(folder).lexically_normal().filename().string();
  if (task.name.empty())
    task.name =
        std::filesystem::absolute(folder).lexically_normal().parent_path().filename().string();
  task.train = read_split(folder / "train.json", limits.train);
  if (scored != Split::kEval) task.test = read_split(folder / "test.json", limits.test);
  if (std::filesystem::exists(folder / "eval.json"))
    task.eval = read_split(folder / "eval.json", limits.eval);
  return task;
}

void write_task(const std::filesystem::path& folder, const TaskText& task) {
  make_folder(folder);
  for (const Split split : {Split::kTrain, Split::kEval, Split::kTest}) {
    if (split == Split::kEval && task.eval.empty()) continue;
    write_split(folder / fmt::format("{}.json", split_name(split)), task.split(split));
  }
}

Encoder::Encoder(const Tokenizer& tokenizer, EncodeOptions options, int64_t context)
    : tokenizer_(tokenizer), options_(std::move(options)) {
  options_.max_length = std::min(options_.max_length, context);
  end_ = options_.text_template == "chat" ? ChatTemplate(tokenizer).turn_end() : tokenizer.eos();
  if (end_ < 0) {
    throw Error(ErrorKind::kUnsupported, "[data] the tokenizer has no end-of-sequence token",
                "Without it a model cannot learn where an answer stops.");
  }
}

std::vector<int32_t> Encoder::prompt(const std::string& text) const {
  const bool chat = options_.text_template == "chat";
  std::vector<int32_t> ids =
      chat ? tokenizer_.encode(render_prompt(tokenizer_, text), true) : tokenizer_.encode(text);
  if (tokenizer_.adds_bos() && (ids.empty() || ids.front() != tokenizer_.bos()))
    ids.insert(ids.begin(), tokenizer_.bos());
  return ids;
}

std::vector<int32_t> Encoder::answer(const std::string& text) const {
  return tokenizer_.encode(text);
}

void Encoder::cut(std::vector<int32_t>& tokens, int64_t reserve) const {
  const int64_t room = std::max<int64_t>(options_.max_length - reserve, 1);
  const int64_t excess = static_cast<int64_t>(tokens.size()) - room;
  if (excess <= 0) return;
  const std::ptrdiff_t keep = tokenizer_.adds_bos() && room > 1 ? 1 : 0;  // BOS stays in front
  tokens.erase(tokens.begin() + keep, tokens.begin() + keep + excess);
}

Row Encoder::encode(const Example& example, int32_t task, uint64_t id,
                    const std::string& where) const {
  const std::vector<int32_t> answer_ids = answer(example.answer);
  if (answer_ids.empty()) {
    throw Error(ErrorKind::kData, fmt::format("[data] the answer of {} has no tokens", where),
                "Every row needs an answer with at least one character.");
  }
  const auto reserve = static_cast<int64_t>(answer_ids.size());
  if (reserve >= options_.max_length) {
    throw Error(ErrorKind::kData,
                fmt::format("[data] the answer of {} has {} tokens, and rows hold at most {}",
                            where, reserve, options_.max_length),
                "Raise data.max_length, or shorten the answer.");
  }
  std::vector<int32_t> ids = prompt(example.prompt);
  if (ids.empty()) {
    throw Error(ErrorKind::kData, fmt::format("[data] the prompt of {} has no tokens", where),
                "Every row needs a prompt with at least one character.");
  }
  cut(ids, reserve);
  Row row;
  row.prompt_length = static_cast<int64_t>(ids.size());
  row.tokens = std::move(ids);
  row.tokens.insert(row.tokens.end(), answer_ids.begin(), answer_ids.end());
  row.tokens.push_back(end_);
  row.task = task;
  row.id = id;
  return row;
}

}  // namespace ilora
