#include "session/learned_system.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "data/task.h"

namespace ilora {
namespace {

// Long ones as they begin: people recognise theirs.
std::string shown(const std::string& text) {
  constexpr size_t kMost = 160;
  std::string cut = text.substr(0, kMost);
  while (!cut.empty() && cut.size() < text.size() && (text[cut.size()] & 0xc0) == 0x80)
    cut.pop_back();  // whole characters
  std::ranges::replace(cut, '\n', ' ');
  return cut.size() < text.size() ? cut + " ..." : cut;
}

}  // namespace

std::string warning_of_missing_system(const RunFolder& folder, const Recipe& recipe) {
  const std::vector<std::filesystem::path> tasks = recipe.task_folders();
  const auto learned = static_cast<size_t>(folder.last_task());
  if (recipe.text_template != "chat" || learned == 0 || learned > tasks.size()) return {};
  const std::filesystem::path& task = tasks[learned - 1];
  constexpr uintmax_t kMostBytes = 16 << 20;  // a fraction of a second
  std::error_code gone;
  const uintmax_t bytes = std::filesystem::file_size(task / "train.json", gone);
  if (gone || bytes > kMostBytes) return {};
  std::vector<Example> rows;
  try {
    rows = read_task(task, recipe.limits(task_name(task)), recipe.evaluated_split()).train;
  } catch (const Error&) {  // nothing is asked of the files here
    return {};
  }
  std::map<std::string, size_t> said;
  size_t with_system = 0;
  for (const Example& row : rows) {
    if (row.turns.empty() || row.turns.front().role != "system") continue;
    ++with_system;
    ++said[row.turns.front().content];
  }
  if (2 * with_system < rows.size() || with_system == 0) return {};
  const auto by_count = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto& [text, count] = *std::ranges::max_element(said, by_count);
  return fmt::format(
      "the rows of {} begin with a system turn, and there is none here. `ilora chat --system TEXT` "
      "(or /system TEXT) sets one; {}: {}",
      task_name(task), said.size() == 1 ? "theirs is" : "the most frequent of theirs is",
      shown(text));
}

}  // namespace ilora
