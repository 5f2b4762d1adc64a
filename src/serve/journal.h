// What a server deployed, and what it refused to: RUN/serve/journal.jsonl, a line each, on the disk
// before anybody is answered otherwise. Each deployed state is a PEFT folder of its own beside it, so
// that any of them can be gone back to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/adapter.h"
#include "runs/run_folder.h"

namespace ilora {

// How a task's rows fared under the state that was deployed and under the new one.
struct TaskChange {
  std::string task;
  int64_t rows = 0;
  double before = 0, after = 0;  // mean scores, 0..1
  double low = 0, high = 0;      // of after - before: 95 %, the paired bootstrap over rows
  double p = 1;                  // two-sided, that there is no difference

  static void visit(auto& keys, auto& self) {
    keys.required("task", self.task);
    keys.required("rows", self.rows);
    keys.required("before", self.before);
    keys.required("after", self.after);
    keys.required("low", self.low);
    keys.required("high", self.high);
    keys.value("p", self.p);
  }
};

struct JournalEntry {
  static constexpr const char* kDeployed = "deployed";
  static constexpr const char* kRefused = "refused";         // it forgot too much
  static constexpr const char* kFailed = "failed";           // it could not be learned
  static constexpr const char* kCancelled = "cancelled";     // by who asked for it
  static constexpr const char* kRolledBack = "rolled_back";  // `adapter` is an earlier one

  int64_t number = 0;  // from 1
  int64_t time = 0;    // seconds since 1970
  std::string kind;
  std::string task;                 // that was learned; of going back: empty
  int64_t rows = 0;                 // of it
  std::string adapter;              // deployed from now on: a folder of the run, relative to it
  double share = 1;                 // of the way from the state before to the learned one
  std::vector<TaskChange> earlier;  // tasks learned before
  std::optional<TaskChange> own;    // the task itself
  std::string reason;               // in words

  static void visit(auto& keys, auto& self) {
    keys.required("number", self.number);
    keys.required("time", self.time);
    keys.required("kind", self.kind);
    keys.value("task", self.task);
    keys.value("rows", self.rows);
    keys.value("adapter", self.adapter);
    keys.value("share", self.share);
    keys.value("earlier", self.earlier);
    keys.value("own", self.own);
    keys.value("reason", self.reason);
  }
};

class Journal {
 public:
  // Reads what the run's folder has. Used by one thread at a time.
  explicit Journal(const RunFolder& folder);

  const std::vector<std::string>& warnings() const { return warnings_; }
  const std::vector<JournalEntry>& entries() const { return entries_; }
  // The entry that says what became of a task; none: nothing yet.
  const JournalEntry* of_task(const std::string& task) const;
  // What is deployed: a PEFT folder; empty where the journal says nothing of it.
  std::filesystem::path deployed() const;

  // Saves the adapter, adds the entry, which gets its number, time and folder. `base_model`: as of
  // save_peft.
  const JournalEntry& deploy(JournalEntry entry, const Adapter& adapter,
                             const std::string& base_model);
  const JournalEntry& add(JournalEntry entry);
  // Goes back to what an entry deployed. Throws RequestError(404) where it deployed nothing, or its
  // adapter is gone.
  const JournalEntry& roll_back(int64_t number);

 private:
  int64_t next() const { return entries_.empty() ? 1 : entries_.back().number + 1; }

  const RunFolder& folder_;
  const std::filesystem::path file_;
  std::vector<std::string> warnings_;
  std::vector<JournalEntry> entries_;
};

}  // namespace ilora
