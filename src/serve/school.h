// What a server learns while it answers: the tasks that taught rows make (taught_rows.h), one after
// another, each as `ilora train --continue` learns it, in a thread and with an engine of its own. A
// new state is deployed only within the budget of forgetting (budget.h); else the run is put back to
// what it was before, as if the task had never been.
//
// The run's folder says at any time how far this is: a server that is stopped, or killed, goes on
// where its last one was.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/json_fwd.h"
#include "base/process.h"
#include "serve/journal.h"
#include "serve/task_learning.h"
#include "serve/taught_rows.h"
#include "session/kept_rows.h"

namespace ilora {

struct SchoolOptions {
  LearningOptions learning{};
  int64_t learn_after = 16;  // rows that make a task; 0: only time does, or who asks
  int64_t learn_idle = 30;   // seconds without a new row, then what waits is learned; 0: never
  TaughtLimits limits{};
};

// What of its work is to be told.
struct SchoolNews {
  std::function<void(const std::string& what, const std::filesystem::path& adapter)> deployed;
  std::function<void(const std::string&line)> message, warning;
};

class School {
 public:
  // Everything outlives it; the model's path is the run's. Throws Error(kInUse) where another server
  // teaches the run, Error(kFile or kData) for a probe that is no task.
  School(const RunFolder& folder, const LoadedModel& model, RightOfWay& way, SchoolOptions options,
         SchoolNews news);
  ~School();  // stop()
  School(const School&) = delete;

  // From here on it learns. The state that the journal says is deployed is told first.
  void start();
  // Ends after the step under way, with a checkpoint, or at once (the run then goes on from its last
  // one) where that takes longer than so many seconds.
  void stop(double patience = 8);

  // --- all below from any thread
  // Rows to learn (TaughtRows::add); `now`: they need not wait for more.
  std::vector<int64_t> teach(const std::vector<Example>& rows, const std::string& task,
                             const std::string& source, const std::string& key, bool now);
  // What waits under a name is learned now; the name that it got, "" where nothing waits.
  std::string learn(const std::string& task);
  // A task that comes whole, with rows to score it by; the name that it got.
  std::string learn(const TaughtTask& task);
  // Takes a task out that waits or is being learned; the run is as before it. False: it is done with.
  bool cancel(const std::string& task);
  void pause();
  void resume();

  Json status() const;
  std::vector<JournalEntry> journal() const;
  JournalEntry roll_back(int64_t number);
  std::vector<TaughtTask> tasks() const;
  // Whether a task is learned now.
  bool learns(const std::string& task) const;

  // The rows that the run keeps, and taking some out for good (kept_rows.h), of what was taught here
  // too. The latter throws Error(kInUse) while a task is learned.
  KeptRows kept() const;
  int64_t forget(const std::function<bool(const KeptRow&)>& leaves);

 private:
  class Watch;

  void run();
  bool wait_for_work();
  void close_what_waited();
  std::optional<TaughtTask> next_task() const;
  std::set<std::string> used_names() const;
  void work(const TaughtTask& task);
  void learn_and_weigh(const TaughtTask& task);
  void deploy(JournalEntry entry, const TaskLearning::Weighed& weighed);
  void refuse(JournalEntry entry);
  void settle_left_over();

  const RunFolder folder_;
  const SchoolOptions options_;
  const SchoolNews news_;
  FolderLock lock_;
  TaskLearning learning_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  TaughtRows taught_;
  Journal journal_;
  struct Progress {
    std::string task, phase;
    int64_t step = 0, steps = 0;
    double loss = 0;
  };
  std::optional<Progress> progress_;
  std::string problem_;  // why it does not go on
  bool paused_ = false;
  std::string cancelled_;  // the task that is to end
  std::atomic<bool> stopping_{false}, at_once_{false};
  std::thread thread_;
};

}  // namespace ilora
