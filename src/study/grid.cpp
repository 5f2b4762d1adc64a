#include "study/grid.h"

#include <chrono>

#include "base/error.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "base/progress.h"
#include "report/run_data.h"
#include "report/words.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

constexpr int kInterruptedCode = 130;  // of `ilora`, after Ctrl-C

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

fs::path failure_file(const Cell& cell) {
  return cell.folder / "failed.json";
}

// The first error that a run's output ends with, as `ilora` prints it.
std::string error_in(const std::string& output, int code) {
  constexpr std::string_view kPrefix = "error: ";
  const size_t begin = output.find(kPrefix);
  if (begin != std::string::npos)
    return output.substr(begin + kPrefix.size(), output.find('\n', begin) - begin - kPrefix.size());
  return code < 0 ? fmt::format("ended by signal {}", -code)
                  : fmt::format("ended with exit code {}", code);
}

// Runs one cell to its end. What it prints is appended to its log.txt.
void run_cell(const Cell& cell, const std::string& place, const GridOptions& options) {
  make_folder(cell.folder);
  fs::remove(failure_file(cell));
  std::vector<std::string> words = {options.program.string()};
  if (cell.state() == CellState::kBegun) {
    words.insert(words.end(), {"train", "--resume", cell.folder.string()});
  } else {
    words.insert(words.end(), cell.arguments.begin(), cell.arguments.end());
  }
  const fs::path output = cell.folder / "log.txt";
  const size_t before = fs::exists(output) ? fs::file_size(output) : 0;
  const double began = now();
  const int code = run_process(words, output, [&] {
    log().status(fmt::format("{} {}  {}", place, cell.name, format_duration(now() - began)));
  });
  log().status("");
  if (code == kInterruptedCode) {
    throw Error(ErrorKind::kInterrupted, fmt::format("[grid] stopped in {}", cell.name),
                "The same command goes on where it stopped.");
  }
  if (code == 0 && cell.state() == CellState::kFinished) {
    const auto score = report::read_results(cell.folder).metrics.average_accuracy;
    log().info("{} {}: average {}, {}", place, cell.name,
               score ? fmt::format("{:.3f}", *score) : "-", format_duration(now() - began));
    return;
  }
  const std::string error = error_in(read_file(output).substr(before), code);
  write_json(failure_file(cell), {{"exit", code}, {"error", error}});
  log().warn("{} {} failed: {} ({})", place, cell.name, error, output.string());
}

}  // namespace

CellState Cell::state() const {
  if (fs::exists(failure_file(*this))) return CellState::kFailed;
  const fs::path results = folder / "results.json";
  if (fs::exists(results) && read_json(results).value("status", "") == "finished")
    return CellState::kFinished;
  return fs::exists(folder / "config.yaml") ? CellState::kBegun : CellState::kAbsent;
}

std::string Cell::failure() const {
  return fs::exists(failure_file(*this)) ? read_json(failure_file(*this)).value("error", "unknown")
                                         : std::string();
}

void run_cells(std::span<const Cell> cells, const GridOptions& options) {
  size_t done = 0;
  for (const Cell& cell : cells) done += cell.state() == CellState::kFinished ? 1 : 0;
  if (done > 0) log().info("{} of {} are finished already", done, cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    const CellState state = cells[i].state();
    if (state == CellState::kFinished) continue;
    if (state == CellState::kFailed && !options.retry_failed) continue;
    if (interrupted())
      throw Error(ErrorKind::kInterrupted, "[grid] stopped",
                  "The same command goes on where it stopped.");
    run_cell(cells[i], fmt::format("[{}/{}]", i + 1, cells.size()), options);
    if (options.after_cell) options.after_cell();
  }
}

}  // namespace ilora
