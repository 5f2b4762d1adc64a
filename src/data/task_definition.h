// What is known of a task beyond its rows: how it is measured, its options, how long its answers
// are. The benchmarks' tasks are in the table of task_definition.cpp, found by the exact name of
// their folder; a user's task may say it in a file task.yaml in its folder. Read by read_task, used
// by eval/task_eval.cpp; `ilora tasks` lists the table.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace ilora {

struct TaskDefinition {
  std::string name;              // of the folder
  std::string measure = "auto";  // of eval/measures/measure.cpp
  // The measure that reads an answer out of generated text ("eval.measures: generated").
  std::string generated = "auto";
  std::vector<std::string> options = {};  // what there is to choose from; empty: the rows' answers
  int64_t max_new_tokens = 0;             // of a generated answer; 0: kNewTokens
  std::string language = {};              // "en", "zh", "de", "code"
  std::string summary = {};               // one line
};

inline constexpr int64_t kNewTokens = 32;  // of tasks that say nothing

std::span<const TaskDefinition> task_definitions();
const TaskDefinition* find_task_definition(const std::string& name);  // null where there is none

// The definition of a task folder: the table's for its name, changed by <folder>/task.yaml where
// there is one. Throws Error(kUsage) naming file, line and key for a task.yaml that is wrong.
TaskDefinition definition_of(const std::filesystem::path& folder, const std::string& name);

}  // namespace ilora
