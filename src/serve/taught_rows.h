// The rows that people teach a server: kept in RUN/serve/taught.jsonl before who taught them is
// answered, and collected into tasks. The file is all there is to know: what was taken, and which rows
// make which task. A task's folder is written from it, so that after a loss of power each row waits or
// is in exactly one task.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "data/task.h"
#include "runs/run_folder.h"

namespace ilora {

struct TaughtLimits {
  int64_t rows_of_a_call = 1000;
  int64_t waiting = 10000;
};

struct TaughtTask {
  std::string name;
  std::vector<Example> rows;
  std::vector<Example> test;  // of a fine-tuning job; may be none
  int64_t time = 0;           // when it was closed, in seconds since 1970
  // Of a fine-tuning job: the ids of its files.
  std::string training_file = {}, validation_file = {};
};

class TaughtRows {
 public:
  // Reads what the run's folder has. Used by one thread at a time.
  TaughtRows(const RunFolder& folder, TaughtLimits limits);

  // What was left out of the file, damaged.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // Keeps rows, of a task by name or ("") of none in particular; returns their numbers. A call whose
  // `key` was seen is answered as then, and adds nothing; "" is no key. All are on the disk when it
  // returns. Throws RequestError: 400 for a name that is none, 413 for too many rows, 429 where too
  // many wait.
  std::vector<int64_t> add(const std::vector<Example>& rows, const std::string& task,
                           const std::string& source, const std::string& key);
  // Makes a task of the rows that wait under a name ("": of those without); its name is new among
  // `used`. "" where none wait.
  std::string close(const std::string& task, const std::set<std::string>& used);
  // Makes a task of rows that come with it, all at once; its name may get a number.
  std::string add_task(const TaughtTask& task, const std::set<std::string>& used);

  // Takes the texts of a task's rows out of the file, by their numbers in the task; empty ones take
  // their places.
  void blank(const std::string& task, const std::set<int64_t>& numbers);

  // All tasks, in the order in which they were closed.
  const std::vector<TaughtTask>& tasks() const { return tasks_; }
  // Rows that wait, by the name of their task.
  std::map<std::string, int64_t> waiting() const;
  int64_t count_waiting() const { return static_cast<int64_t>(waiting_.size()); }
  std::chrono::steady_clock::time_point last_added() const { return last_added_; }

  // Writes a task's folder, RUN/tasks/NAME. Without test rows its rows are those, as of the library.
  // Answers that are no labels are scored as texts (task.yaml: rouge-l).
  void write(const TaughtTask& task) const;

 private:
  struct Waiting {
    int64_t number;
    std::string task;
    Example row;
  };
  void take(const Json& event);
  void record(const Json& event);
  std::string free_name(const std::string& wanted, const std::set<std::string>& used) const;

  const RunFolder& folder_;
  const std::filesystem::path file_;
  const TaughtLimits limits_;
  std::vector<std::string> warnings_;
  std::vector<Waiting> waiting_;
  std::vector<TaughtTask> tasks_;
  std::map<std::string, std::vector<int64_t>> keys_;
  int64_t next_ = 1;
  std::chrono::steady_clock::time_point last_added_;
};

// A row of the file, and what takes the place of one whose text is gone: it waits for no task.
Example taught_row(const Json& json);
Json blank_taught_row();

// Whether a text may name a task, and so a folder: letters, digits, '.', '_', '-', at most 64, no dot
// in front.
bool is_task_name(const std::string& name);

}  // namespace ilora
