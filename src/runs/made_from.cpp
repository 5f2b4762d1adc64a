#include "runs/made_from.h"

#include <algorithm>

#include "runs/results.h"
#include "runs/schema.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// Without a slash at its end, dots and what they take back.
fs::path plain(const fs::path& path) {
  const fs::path normal = fs::absolute(path).lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// The folder from which `output` leads to `folder`; none where that cannot be told.
std::optional<fs::path> begun_in(const fs::path& folder, const fs::path& output) {
  if (output.empty() || output.is_absolute()) return std::nullopt;
  fs::path from = plain(folder);
  const fs::path relative = plain(fs::path("/") / output).relative_path();
  for (auto part = relative.end(); part != relative.begin();) {
    if (from.filename() != *--part) return std::nullopt;
    from = from.parent_path();
  }
  const bool leads_there = plain(from / output) == plain(folder);  // not with ".." in front
  return leads_there ? std::optional(from) : std::nullopt;
}

}  // namespace

RecordedPath record_path(const std::string& written, const RunFolder& folder) {
  const fs::path absolute = plain(written);
  return {written, absolute.string(), fs::relative(absolute, plain(folder.path())).string()};
}

std::optional<MadeFrom> made_from_of(const RunFolder& folder, const std::string& output) {
  if (fs::exists(folder.path(Results::kFile))) {
    auto results = read_run_file<Results>(folder);
    if (results.made_from) return std::move(results.made_from);
  }
  const auto from = begun_in(folder.path(), output);
  if (!from) return std::nullopt;
  MadeFrom made_from;
  made_from.working_directory = from->string();
  return made_from;
}

FoundPath find_path(const std::string& written, const MadeFrom& made_from,
                    const RunFolder& folder) {
  std::vector<fs::path> places = {plain(fs::path(made_from.working_directory) / written)};
  const auto recorded = std::ranges::find(made_from.paths, written, &RecordedPath::written);
  if (recorded != made_from.paths.end() && !recorded->relative.empty()) {
    const fs::path beside = plain(fs::weakly_canonical(folder.path()) / recorded->relative);
    if (beside != places.front()) places.push_back(beside);
  }
  FoundPath found{places.front().string(), {}};
  for (const fs::path& place : places) {
    if (is_there(place)) return {place == plain(written) ? written : place.string(), {}};
    found.looked.push_back(place.string());
  }
  return found;
}

namespace {

void compare_tasks(const MadeFrom& before, const MadeFrom& now, SourceChanges& changes) {
  for (const HashedTask& task : before.tasks) {
    const auto same = std::ranges::find(now.tasks, task.name, &HashedTask::name);
    if (same == now.tasks.end()) continue;
    for (const auto& [split, rows] : task.splits) {
      for (const auto& [other, rows_now] : same->splits) {
        if (split != other || rows.hash == rows_now.hash) continue;
        auto& list = split == "train" ? changes.results : changes.scores;
        list.push_back(fmt::format("the {} rows of task {} are others ({} then, {} now)", split,
                                   task.name, rows.rows, rows_now.rows));
      }
    }
  }
}

}  // namespace

std::string model_change(const std::vector<HashedFile>& before,
                         const std::vector<HashedFile>& now) {
  if (before.empty()) return {};  // not recorded
  for (const HashedFile& file : now) {
    const auto same = [&](const HashedFile& old) {
      return old.hash == file.hash && old.bytes == file.bytes;  // under any name
    };
    if (std::ranges::none_of(before, same))
      return fmt::format("the model is another one: {} ({} bytes) is no file that it had",
                         file.name, file.bytes);
  }
  return before.size() == now.size() ? "" : "the model is another one: it had more files";
}

SourceChanges changes_of(const MadeFrom& before, const MadeFrom& now,
                         const std::function<bool(std::string_view key)>& compared) {
  SourceChanges changes;
  if (std::string change = model_change(before.model, now.model); !change.empty())
    changes.results.push_back(std::move(change));
  compare_tasks(before, now, changes);
  for (const auto& [key, value] : before.options) {
    for (const auto& [other, value_now] : now.options) {
      if (key == other && value != value_now && compared(key))
        changes.results.push_back(fmt::format("{} was {} and is {}", key, value, value_now));
    }
  }
  if (before.version != now.version)
    changes.scores.push_back(
        fmt::format("the program was version {} and is {}", before.version, now.version));
  return changes;
}

}  // namespace ilora
