// What replaying methods share: a memory, which rows enter it and when, and how many are drawn for
// which step. The options are declared here once, under the method's name.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "continual/answer_counts.h"
#include "continual/memory.h"
#include "continual/run.h"

namespace ilora {

struct ReplayOptions {
  MemoryOptions memory;
  int64_t memory_bytes = 0;      // most bytes of the rows kept; 0: memory.size alone counts
  int64_t memory_age = 0;        // rows of tasks that are further back leave; 0: none do
  double ratio = 1.0;            // replayed rows per current row, in a step that replays
  bool ratio_per_task = false;   // times the number of tasks learned before
  int64_t interval = 1;          // every so many steps of a task
  double interval_growth = 1.0;  // each interval of a task is so many times the one before
  bool insert_first = false;     // the current rows enter before the step draws
  bool insert_again = false;     // in every epoch, not in the first alone
  bool two_means = false;        // (mean of current + mean of replayed) / 2, not one mean over both
  std::string draw = "all";      // or past: of earlier tasks alone, tasks in turn
  std::string weight = "rows";   // or by-task: each task alike, whatever its rows (replay.cpp)
  std::string reweigh =
      "none";  // or answers: undo the memory's shares of answers (answer_counts.h)
};

class Replay {
 public:
  ReplayOptions options;
  // Rows that never enter the memory; empty: none.
  std::function<bool(const Row& row)> left_out;
  // Sees the rows that the memory holds whenever some may have entered, and may add to them what is
  // kept with a row; empty: nothing.
  std::function<void(Run& run, Row& row)> keep_with;

  // Declares METHOD.memory_size, METHOD.policy, METHOD.ratio, …
  void add_options(OptionList& list, const std::string& method) {
    add_memory_options(list, method);
    add_weight_options(list, method);
  }
  // All but those that say what replayed rows weigh, for a method that says it.
  void add_memory_options(OptionList& list, const std::string& method);

  // Throws Error(kUsage) for options that exclude each other.
  void check() const;

  // Once per step, on a pass whose first segment holds the current rows: adds the step's replayed
  // rows as a second one, trained with cross-entropy. False, and nothing added, in the first task,
  // in steps that do not replay, and while the memory is empty.
  bool add_to(Pass& pass, Run& run);
  // In place of add_to(), for a method that makes its own segments of them: the step's replayed
  // rows, drawn `draws` times over, each draw by itself. No draw where add_to() would add nothing.
  std::vector<std::vector<const Row*>> take(Run& run, const std::vector<const Row*>& current,
                                            int draws);
  // Once per step, after the update: shows the current rows to the memory, once each, in their
  // task's first epoch (unless the options say otherwise); replayed rows never. Reports memory_rows
  // and memory_bytes.
  void remember(Run& run, const std::vector<const Row*>& current);

  // True where this step of a task (from 0) replays.
  bool due(int64_t task_step) const;

  void visit(StateVisitor& visitor, const std::string& name);
  int64_t forget(const RowFilter& leaves) { return memory().forget(leaves); }

 private:
  Memory& memory();
  void add_weight_options(OptionList& list, const std::string& method);
  std::vector<const Row*> draw(const Run& run, int64_t count, uint64_t seed);
  void weigh(Pass& pass, const Run& run);
  // `losses`: of each row, for policies that ask; empty before the step has told them.
  void insert(Run& run, const std::vector<const Row*>& current, std::span<const double> losses);
  int64_t rows_due(const Run& run, int64_t current);
  void keep_to_limits(const Run& run);  // memory_bytes, memory_age

  std::unique_ptr<Memory> memory_;  // made at first use, when the options are known
  int64_t current_rows_ = 0;        // of the steps that replayed so far
  TaskAnswers answers_;             // of the rows shown, where rows are weighed by them
};

}  // namespace ilora
