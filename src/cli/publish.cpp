#include "cli/publish.h"

#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "runs/results.h"
#include "runs/seal.h"
#include "study/comparison_data.h"
#include "study/marks.h"
#include "study/tables.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// FILE#NAME of --into.
std::pair<std::string, std::string> target_of(const std::string& into) {
  const size_t hash = into.rfind('#');
  if (hash == std::string::npos)
    throw Error(ErrorKind::kUsage,
                fmt::format("[grid] expected FILE#NAME, got '{}' (--into)", into));
  return {into.substr(0, hash), into.substr(hash + 1)};
}

// Copies results.json for others: where this machine keeps models and rows stays here, what they were
// (their hashes) is kept. A file that is not as it was written is copied as it is, so that this is still
// noticed.
void keep_results_file(const fs::path& from, const fs::path& to) {
  Json results = read_json(from);
  if (!results.is_object() || !results.contains("made_from") || !seal_holds(results)) {
    fs::copy_file(from, to, fs::copy_options::overwrite_existing);
    return;
  }
  Json& made_from = results["made_from"];
  made_from["working_directory"] = "";
  made_from["paths"] = Json::array();
  results.erase("hash");
  write_json(to, sealed(std::move(results)));
}

// Cells that did not end leave what was kept of them as it is. What a cell no longer has, such as an
// earlier failure, goes.
void keep_results(std::span<const Cell> cells, const fs::path& from, const fs::path& to) {
  if (fs::exists(to) && fs::equivalent(from, to))
    throw Error(ErrorKind::kUsage,
                fmt::format("[grid] {} is the grid's own folder (--keep)", to.string()));
  for (const Cell& cell : cells) {
    const CellState state = cell.state();
    if (state != CellState::kFinished && state != CellState::kFailed) continue;
    const fs::path folder = to / fs::relative(cell.folder, from);
    for (const std::string& name : kept_files()) {
      if (!fs::exists(cell.folder / name)) {
        fs::remove(folder / name);
        continue;
      }
      make_folder(folder);
      if (name == Results::kFile) {
        keep_results_file(cell.folder / name, folder / name);
      } else {
        fs::copy_file(cell.folder / name, folder / name, fs::copy_options::overwrite_existing);
      }
    }
  }
}

}  // namespace

void require_marks(const std::string& into) {
  if (into.empty()) return;
  const auto [file, name] = target_of(into);
  find_marks(file, name);
}

std::string publish(const Comparison& comparison, std::span<const Cell> cells,
                    const GridArguments& a) {
  const fs::path out = a.out;
  const std::string markdown = comparison_markdown(comparison);
  write_file_atomic(out / "table.md", markdown);
  write_file_atomic(out / "table.csv", comparison_csv(comparison));
  write_file_atomic(out / "table.tex", comparison_latex(comparison));
  write_comparison_json(out / "table.json", comparison);
  if (!a.keep.empty()) keep_results(cells, out, a.keep);
  if (!a.into.empty()) {
    const auto [file, name] = target_of(a.into);
    replace_between_marks(file, name, markdown);
  }
  return markdown;
}

}  // namespace ilora
