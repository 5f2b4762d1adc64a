// A run's folder: the interface between programs. `train`, `analyze` and the library write it; all
// commands that work on runs read it.
//
//   config.yaml  metrics.jsonl  results.json  rows.jsonl  checkpoints/last/state.safetensors
//   checkpoints/task-01/{adapter, adapter-slow, ...}   PEFT folders, one per learner
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ilora {

class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.yaml"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path results() const { return path_ / "results.json"; }
  std::filesystem::path rows() const { return path_ / "rows.jsonl"; }
  std::filesystem::path report() const { return path_ / "report.html"; }
  std::filesystem::path state() const {
    return path_ / "checkpoints" / "last" / "state.safetensors";
  }
  std::filesystem::path task(int64_t number) const;  // checkpoints/task-NN, from 1
  std::filesystem::path adapter(int64_t task_number, const std::string& learner) const;
  // The same of a learner that was saved. Throws Error(kUsage) naming those that were.
  std::filesystem::path saved_adapter(int64_t task_number, const std::string& learner) const;

  // Number of the last task whose adapters are there; 0: none.
  int64_t last_task() const;
  // Learners saved for a task.
  std::vector<std::string> learners(int64_t task_number) const;

  bool exists() const;
  // A line of metrics.jsonl.
  void log_event(const Json& event) const;
  int64_t metrics_bytes() const;
  // Drops what was logged after `bytes`: events of steps that a resumed run takes again.
  void truncate_metrics(int64_t bytes) const;

 private:
  std::filesystem::path path_;
};

// Throws Error(kFile) where `path` is no run folder.
RunFolder open_run(const std::filesystem::path& path);

}  // namespace ilora
