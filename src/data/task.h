// Tasks as people have them: folders in the TRACE format, <task>/{train,eval,test}.json, each a
// list of
// {"prompt","answer"}; and as the engine wants them: rows of token ids.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/task_definition.h"
#include "model/row.h"
#include "text/chat_template.h"

namespace ilora {

class Tokenizer;

struct Example {
  std::string prompt;
  std::string answer;
  int64_t row = -1;  // its place in the file, from 0; -1: not from a file
};

// The row's number in its file, from 0; its place in the list where it came from no file.
inline int64_t row_number(const Example& example, size_t place) {
  return example.row >= 0 ? example.row : static_cast<int64_t>(place);
}

enum class Split : uint8_t { kTrain, kEval, kTest };
const char* split_name(Split split);

struct TaskText {
  std::string name;
  std::vector<Example> train, eval, test;
  TaskDefinition definition = {};
  // The different answers in the task's files, sorted: of all rows, whatever the limits.
  std::vector<std::string> answers = {};

  const std::vector<Example>& split(Split which) const;
  // The most tokens of a generated answer: what is asked for, or (0) the task's own.
  int64_t new_tokens(int64_t asked) const;
};

struct TaskLimits {
  int64_t train = 0, eval = 0, test = 0;  // most rows of each split; 0: all
};

// A prompt as it is compared with others: without white space.
std::string prompt_key(const std::string& prompt);

// The name of the task in a folder: the folder's own.
std::string task_name(const std::filesystem::path& folder);

// Reads <folder>/{train,eval,test}.json; eval may be absent. Where the eval split is the one that
// is scored, test.json is not opened, so that nothing chosen by such scores has seen the test rows.
// Throws Error(kFile or kData) naming file and row (from 0) for a missing split, an empty one, a
// row that is no object or lacks "prompt" or "answer".
//
// Where a limit leaves rows out, those that stay are the first of a fixed permutation, in the
// file's order: the same for every run, and fewer rows are a part of more. Rows that repeat another
// come last in it.
TaskText read_task(const std::filesystem::path& folder, const TaskLimits& limits = {},
                   Split scored = Split::kTest);
// Writes the files, one row per line; no eval.json where there are no such rows.
void write_task(const std::filesystem::path& folder, const TaskText& task);

// How text becomes rows.
struct EncodeOptions {
  std::string text_template =
      "raw";  // "raw": prompt and answer as they stand; "chat": the model's chat template
  int64_t max_length =
      1024;  // longest row in tokens; the prompt is cut from the left, the answer kept
  // Longest answer that is learned, in tokens; longer ones are cut at their end and learned without
  // an end token. 0: whole answers.
  int64_t max_answer = 0;
};

// Turns prompts and answers into rows: tokenized apart; BOS first where the tokenizer's file asks
// for it; EOS after the answer, as a label.
class Encoder {
 public:
  // `context`: the model's longest sequence; max_length is lowered to it.
  Encoder(const Tokenizer& tokenizer, EncodeOptions options, int64_t context);

  // `where` names the row in errors. Throws Error(kData) for an answer that tokenizes to nothing or
  // leaves no room for a prompt token.
  Row encode(const Example& example, int32_t task, uint64_t id, const std::string& where) const;
  std::vector<int32_t> prompt(const std::string& text) const;  // with BOS and template, not cut
  std::vector<int32_t> answer(const std::string& text) const;  // without EOS
  // Cuts an answer to what is learned of it (max_answer). True where it is whole: then an end token
  // follows.
  bool cut_answer(std::vector<int32_t>& answer_tokens) const;
  // The prompt's tokens cut from the left to leave room for `reserve` more; a chat template around
  // them stays whole. Throws Error(kUsage) where that does not fit.
  void cut(std::vector<int32_t>& prompt_tokens, int64_t reserve) const;
  int32_t end_token() const { return end_; }
  int64_t max_length() const { return options_.max_length; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  const Tokenizer& tokenizer_;
  std::optional<ChatTemplate> chat_;
  int64_t template_front_ = 0, template_back_ = 0;  // tokens of it around a prompt
  EncodeOptions options_;
  int32_t end_ = -1;
};

}  // namespace ilora
