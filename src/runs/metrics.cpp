#include "runs/metrics.h"

#include <algorithm>

#include "runs/schema.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// Steps of a resumed run that were taken before it was stopped.
void drop_repeated(std::vector<StepEvent>& steps, const StepEvent& next) {
  while (!steps.empty() && std::pair(steps.back().task_index, steps.back().step) >=
                               std::pair(next.task_index, next.step))
    steps.pop_back();
}

}  // namespace

std::vector<StepEvent> read_steps(const RunFolder& folder) {
  std::vector<StepEvent> steps;
  const fs::path file = folder.path(kMetricsFile);
  if (!fs::exists(file)) return steps;
  const std::string content = read_file(file);
  size_t number = 0;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view line(content.data() + begin, end - begin);
    begin = end + 1;
    ++number;
    if (is_blank(line)) continue;
    const bool last = is_blank(std::string_view(content).substr(end));
    const std::string where = fmt::format("{}, line {}", file.string(), number);
    Json event;
    try {
      event = parse_json(line, where);
    } catch (const Error&) {
      if (last) break;  // cut off while it was written
      throw;
    }
    if (!event.is_object() || event.value("event", Json()) != "step") continue;
    auto step = JsonReader::parse<StepEvent>(
        event, {where, "The line was changed since `ilora train` wrote it: take it out."});
    drop_repeated(steps, step);
    steps.push_back(std::move(step));
  }
  return steps;
}

int64_t metrics_bytes(const RunFolder& folder) {
  const fs::path file = folder.path(kMetricsFile);
  return fs::exists(file) ? static_cast<int64_t>(fs::file_size(file)) : 0;
}

void truncate_metrics(const RunFolder& folder, int64_t bytes) {
  const fs::path file = folder.path(kMetricsFile);
  const int64_t there = metrics_bytes(folder);
  if (there == bytes || there == 0) return;
  // What is damaged may be shorter, and end in the midst of a line, behind which nothing may follow.
  const auto whole = there > bytes ? static_cast<size_t>(bytes) : read_file(file).rfind('\n') + 1;
  std::error_code code;
  fs::resize_file(file, whole, code);
  if (code)
    throw Error(ErrorKind::kFile,
                fmt::format("[file] cannot shorten {}: {}", file.string(), code.message()));
}

}  // namespace ilora
