// Tasks as people have them: folders in the TRACE format, <task>/{train,eval,test}.json, each a
// list of {"prompt","answer"} or of {"messages"}: conversations. encoder.h makes rows of token ids
// of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/conversation.h"
#include "data/task_definition.h"

namespace ilora {

struct Example {
  // Of a conversation: what was said before its last answer (said_before), and that answer.
  std::string prompt;
  std::string answer;
  int64_t row = -1;  // its place in the file, from 0; -1: not from a file
  Turns turns = {};  // of a conversation; empty: a prompt and an answer
};
// A conversation with an answer to something (read_turns).
Example conversation_of(Turns turns, int64_t row = -1);
// Tells rows apart: equal where rows say the same in the same roles.
std::string row_key(const Example& example);
// prompt_key() of what stands before each answer that is learned, the last one's at the end.
std::vector<std::string> prompt_keys(const Example& example);

// The row's number in its file, from 0; its place in the list where it came from no file.
inline int64_t row_number(const Example& example, size_t place) {
  return example.row >= 0 ? example.row : static_cast<int64_t>(place);
}

enum class Split : uint8_t { kTrain, kEval, kTest };
const char* split_name(Split split);
Split parse_split(const std::string& name);  // "train", "eval" or "test"; throws Error(kUsage)

struct TaskText {
  std::string name;
  std::vector<Example> train, eval, test;
  TaskDefinition definition = {};
  // The different answers in the task's files, sorted: of all rows, whatever the limits.
  std::vector<std::string> answers = {};

  const std::vector<Example>& split(Split which) const;
  // A row for messages, by its place in the list: "row 3 of NAME/test.json".
  std::string where(Split which, size_t place) const;
  // The most tokens of a generated answer: what is asked for, or (0) the task's own.
  int64_t new_tokens(int64_t asked) const;
};

struct TaskLimits {
  int64_t train = 0, eval = 0, test = 0;  // most rows of each split; 0: all
  uint64_t train_seed = 0;                // decides which training rows stay
};

// A prompt as it is compared with others: without white space.
std::string prompt_key(const std::string& prompt);

// The name of the task in a folder: the folder's own.
std::string task_name(const std::filesystem::path& folder);

// Reads <folder>/{train,eval,test}.json; eval may be absent. Where the eval split is the one that
// is scored, test.json is not opened, so that nothing chosen by such scores has seen the test rows.
// Throws Error(kFile or kData) naming file and row (from 0) for a missing split, an empty one, a
// row that is no object or lacks "prompt" or "answer", or whose "messages" read_turns refuses.
//
// Where a limit leaves rows out, those that stay are the first of a fixed permutation, in the
// file's order: the same for every run (but for training rows where `train_seed` says otherwise),
// and fewer rows are a part of more. Rows that repeat another come last in it.
TaskText read_task(const std::filesystem::path& folder, const TaskLimits& limits = {},
                   Split scored = Split::kTest);
// Writes the files, one row per line; no eval.json where there are no such rows.
void write_task(const std::filesystem::path& folder, const TaskText& task);

}  // namespace ilora
