#include "session/chapters.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "session/configuration.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = "chapters";

// What decides a result. Where files are is the run's that it is read for.
std::vector<std::string> settings_of(const OptionList& options) {
  std::vector<std::string> settings;
  for (const std::string& key : options.keys()) {
    const bool path = options.rules(key).role == OptionRole::kWhere || key == "data.tasks" ||
                      key == "data.folder" || key == "model.path";
    if (!path) settings.push_back(fmt::format("{}={}", key, options.value_text(key)));
  }
  return settings;
}

}  // namespace

void keep_chapter(const RunFolder& folder) {
  const fs::path kept = folder.path(kFolder);
  make_folder(kept);
  const int64_t tasks = std::ssize(configuration_of(folder)->recipe.task_folders());
  write_file_atomic(kept / fmt::format("after-{:04}.yaml", tasks), read_file(folder.config()));
}

std::vector<Chapter> chapters_of(const RunFolder& folder) {
  const auto last = configuration_of(folder);
  std::vector<Chapter> chapters = {
      {std::ssize(last->recipe.task_folders()), settings_of(last->options)}};
  if (!fs::is_directory(folder.path(kFolder))) return chapters;
  for (const auto& entry : fs::directory_iterator(folder.path(kFolder))) {
    Configuration earlier;
    earlier.options.load_yaml(entry.path());
    const int64_t tasks = std::ssize(earlier.recipe.tasks);
    // One of all tasks is of more that was tried and given up.
    if (tasks < chapters.front().tasks) chapters.push_back({tasks, settings_of(earlier.options)});
  }
  std::ranges::sort(chapters, {}, &Chapter::tasks);
  return chapters;
}

}  // namespace ilora
