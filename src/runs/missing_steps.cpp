#include "runs/missing_steps.h"

#include <algorithm>

#include "runs/metrics.h"
#include "runs/own_files.h"
#include "runs/results.h"
#include "runs/schema.h"

namespace ilora {

std::string missing_steps(const RunFolder& folder) {
  namespace fs = std::filesystem;
  const fs::path file = folder.path(kMetricsFile);
  if (!fs::exists(file) || !fs::exists(folder.path(Results::kFile))) return "";
  const auto results = read_run_file<Results>(folder);
  if (!results.finished() || results.tasks.empty()) return "";
  if (!begins_as_recorded(folder, results, kMetricsFile))
    return fmt::format(
        "{} is not as this run wrote it ({}): steps are missing or changed, or are another run's",
        file.string(), Results::kFile);
  const std::string log = read_file(file);
  constexpr std::string_view kEnd = R"("event":"task_end")";
  const size_t last = log.rfind(kEnd);
  if (last != std::string::npos && log.back() == '\n') {
    const size_t begin = log.rfind('\n', last) + 1;  // npos + 1 is 0
    const std::string line = log.substr(begin, log.find('\n', last) - begin);
    const auto names = [&](const std::string& task) {
      return line.find(R"("task":)" + json_text(Json(task), -1)) != std::string::npos;
    };
    // Tasks that were learned together end under a name of their own.
    if (names(results.tasks.back()) || std::ranges::none_of(results.tasks, names)) return "";
  }
  return fmt::format("{} ends before {} was learned: steps are missing", file.string(),
                     results.tasks.back());
}

}  // namespace ilora
