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

}  // namespace ilora
