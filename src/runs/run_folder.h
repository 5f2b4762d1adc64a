// A run's folder: the interface between programs. `train`, `analyze` and the library write it; all
// commands that work on runs read it. Files that this program reads again have a header of their
// own here, which names the file and lists its keys (schema.h): results.h, rows.h, metrics.h,
// failure.h, analysis.h. docs/formats.md describes them all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ilora {

class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  // A file of its own header: path(Results::kFile).
  std::filesystem::path path(std::string_view file) const { return path_ / file; }
  std::filesystem::path config() const { return path_ / "config.yaml"; }
  std::filesystem::path report() const { return path_ / "report.html"; }
  std::filesystem::path profile() const { return path_ / "profile.json"; }  // of `train --profile`
  std::filesystem::path log() const { return path_ / "log.txt"; }           // of a grid's cell
  std::filesystem::path analysis() const { return path_ / "analysis"; }
  std::filesystem::path given_tasks() const { return path_ / "tasks"; }  // of the library: its rows
  std::filesystem::path state() const {
    return path_ / "checkpoints" / "last" / "state.safetensors";
  }
  // The state before that one, for the day that it turns out to be damaged.
  std::filesystem::path earlier_state() const {
    return state().parent_path() / "state-before.safetensors";
  }
  // What a finished run was, while it learns more (session/training.cpp).
  std::filesystem::path before() const { return path_ / "checkpoints" / "before"; }
  std::filesystem::path task(int64_t number) const;  // checkpoints/task-NN, from 1
  std::filesystem::path adapter(int64_t task_number, const std::string& learner) const;
  // The same of a learner that was saved. Throws Error(kUsage) naming those that were.
  std::filesystem::path saved_adapter(int64_t task_number, const std::string& learner) const;

  // Number of the last task whose adapters are there; 0: none.
  int64_t last_task() const;
  // Learners saved for a task.
  std::vector<std::string> learners(int64_t task_number) const;

  bool exists() const;
  bool has_state() const;  // a checkpoint to go on from
  // What training writes anew as it goes on; metrics.jsonl and adapters are only added to. Last what
  // says that the run is finished, so that who puts old files back may be stopped between any two.
  std::vector<std::filesystem::path> rewritten_files() const;

 private:
  std::filesystem::path path_;
};

// Names of the files that comparisons and tables need: what is kept of a run in little room.
const std::vector<std::string>& kept_files();

// Throws Error(kFile) where `path` is no run folder.
RunFolder open_run(const std::filesystem::path& path);

}  // namespace ilora
