#include "runs/run_folder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "runs/failure.h"
#include "runs/results.h"
#include "runs/rows.h"

namespace ilora {

namespace fs = std::filesystem;

fs::path RunFolder::task(int64_t number) const {
  return path_ / "checkpoints" / fmt::format("task-{:02}", number);
}

fs::path RunFolder::adapter(int64_t task_number, const std::string& learner) const {
  return task(task_number) / (learner == "fast" ? "adapter" : "adapter-" + learner);
}

fs::path RunFolder::saved_adapter(int64_t task_number, const std::string& learner) const {
  fs::path path = adapter(task_number, learner);
  if (fs::is_directory(path)) return path;
  throw Error(ErrorKind::kUsage,
              fmt::format("[run] {} has no learner '{}' after task {} (--learner)", path_.string(),
                          learner, task_number),
              fmt::format("Its learners are: {}.", fmt::join(learners(task_number), ", ")));
}

int64_t RunFolder::last_task() const {
  // Not every task has a folder: joint training writes one for the last alone.
  int64_t last = 0;
  if (!fs::is_directory(path_ / "checkpoints")) return last;
  for (const auto& entry : fs::directory_iterator(path_ / "checkpoints")) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("task-")) continue;
    const int64_t number = std::strtoll(name.c_str() + 5, nullptr, 10);
    if (number > last && fs::is_directory(adapter(number, "fast"))) last = number;
  }
  return last;
}

std::vector<std::string> RunFolder::learners(int64_t task_number) const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(task(task_number))) {
    const std::string name = entry.path().filename().string();
    if (name == "adapter") names.emplace_back("fast");
    if (name.starts_with("adapter-")) names.push_back(name.substr(8));
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool RunFolder::exists() const {
  return fs::exists(config());
}

bool RunFolder::has_state() const {
  return fs::exists(state()) || fs::exists(earlier_state());
}

std::vector<fs::path> RunFolder::rewritten_files() const {
  return {state(), earlier_state(), path(ScoredRows::kFile), config(), path(Results::kFile)};
}

const std::vector<std::string>& kept_files() {
  static const std::vector<std::string> names = {"config.yaml", Results::kFile, ScoredRows::kFile,
                                                 Failure::kFile};
  return names;
}

RunFolder open_run(const fs::path& path) {
  RunFolder folder(path);
  if (!folder.exists()) {
    throw Error(ErrorKind::kFile,
                fmt::format("[run] {} is no run folder: it has no config.yaml", path.string()),
                "Name the folder that `ilora train` wrote (its `output`).");
  }
  return folder;
}

}  // namespace ilora
