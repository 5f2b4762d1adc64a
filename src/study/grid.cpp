#include "study/grid.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/exit_code.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/process.h"
#include "base/progress.h"
#include "runs/failure.h"
#include "runs/results.h"
#include "runs/schema.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

constexpr auto kPause = std::chrono::milliseconds(50);

// The first error that a run's output ends with, as `ilora` prints it.
std::string error_in(const std::string& output, int code) {
  constexpr std::string_view kPrefix = "error: ";
  const size_t begin = output.find(kPrefix);
  if (begin != std::string::npos)
    return output.substr(begin + kPrefix.size(), output.find('\n', begin) - begin - kPrefix.size());
  return code < 0 ? fmt::format("ended by signal {}", -code)
                  : fmt::format("ended with exit code {}", code);
}

// What `ilora` is called with: a cell that was begun is resumed.
std::vector<std::string> command_of(const Cell& cell, const fs::path& program) {
  std::vector<std::string> words = {program.string()};
  if (cell.state() == CellState::kBegun) {
    words.insert(words.end(), {"train", "--resume", cell.folder.string()});
  } else {
    words.insert(words.end(), cell.arguments.begin(), cell.arguments.end());
  }
  return words;
}

// A cell under way. What it prints is appended to its log.txt.
class RunningCell {
 public:
  RunningCell(const Cell& cell, std::string place, const GridOptions& options)
      : cell_(cell),
        place_(std::move(place)),
        output_(prepared(cell)),
        before_(fs::exists(output_) ? fs::file_size(output_) : 0),
        began_(seconds_now()),
        log_(options.log),
        process_(command_of(cell, options.program), output_, environment(options)) {}

  std::string status() const {
    return fmt::format("{} {}  {}", place_, cell_.name, format_duration(seconds_now() - began_));
  }
  void interrupt() { process_.interrupt(); }
  bool running() { return !process_.exit_code(); }

  // After it has ended: says how, and records a failure. False where it was interrupted.
  bool conclude() {
    const int code = process_.wait();
    if (is_stopped(code)) return false;
    if (code == 0 && cell_.state() == CellState::kFinished) {
      const Score score = read_run_file<Results>(cell_.run()).metrics.average_accuracy;
      log_.info("{} {}: average {}, {}", place_, cell_.name,
                score ? fmt::format("{:.3f}", *score) : "-",
                format_duration(seconds_now() - began_));
      return true;
    }
    const std::string error = error_in(read_file(output_).substr(before_), code);
    write_run_file(cell_.run(), Failure{code, error});
    log_.warn("{} {} failed: {} ({})", place_, cell_.name, error, output_.string());
    return true;
  }

 private:
  static fs::path prepared(const Cell& cell) {
    make_folder(cell.folder);
    fs::remove(cell.run().path(Failure::kFile));
    return cell.run().log();
  }
  // Through the environment, so that a cell's configuration does not depend on how many ran beside
  // it.
  static std::vector<std::string> environment(const GridOptions& options) {
    if (options.jobs == 1) return {};
    const int64_t threads = std::max<int64_t>(1, max_threads() / options.jobs);
    return {fmt::format("OMP_NUM_THREADS={}", threads)};
  }

  const Cell& cell_;
  std::string place_;
  fs::path output_;
  size_t before_;
  double began_;
  Log& log_;
  Process process_;
};

std::string status_of(const std::list<RunningCell>& running) {
  std::vector<std::string> texts;
  for (const RunningCell& cell : running) texts.push_back(cell.status());
  return fmt::format("{}", fmt::join(texts, "   "));
}

}  // namespace

CellState Cell::state() const {
  if (fs::exists(run().path(Failure::kFile))) return CellState::kFailed;
  const bool scored = fs::exists(run().path(Results::kFile));
  if (scored && read_run_file<Results>(run()).finished()) return CellState::kFinished;
  return run().exists() ? CellState::kBegun : CellState::kAbsent;
}

std::string Cell::failure() const {
  if (!fs::exists(run().path(Failure::kFile))) return {};
  const auto why = read_run_file<Failure>(run()).error;
  return why.empty() ? "unknown" : why;
}

void run_cells(std::span<const Cell> cells, const GridOptions& options) {
  size_t done = 0;
  for (const Cell& cell : cells) done += cell.state() == CellState::kFinished ? 1 : 0;
  if (done > 0) options.log.info("{} of {} are finished already", done, cells.size());
  std::list<RunningCell> running;
  size_t next = 0;
  bool told = false, stopped = false;
  while (true) {
    for (; !options.stop_requested() && !stopped && next < cells.size() &&
           std::ssize(running) < options.jobs;
         ++next) {
      const CellState state = cells[next].state();
      if (state == CellState::kFinished) continue;
      if (state == CellState::kFailed && !options.retry_failed) continue;
      running.emplace_back(cells[next], fmt::format("[{}/{}]", next + 1, cells.size()), options);
    }
    if (options.stop_requested() && !told) {
      for (RunningCell& cell : running) cell.interrupt();
      told = true;
    }
    if (running.empty()) break;
    std::this_thread::sleep_for(kPause);
    options.log.status(status_of(running));
    for (auto cell = running.begin(); cell != running.end();) {
      if (cell->running()) {
        ++cell;
        continue;
      }
      options.log.status("");
      const bool ended = cell->conclude();
      stopped |= !ended;
      cell = running.erase(cell);
      if (ended && options.after_cell) options.after_cell();
    }
  }
  if (stopped || next < cells.size())
    throw Error(ErrorKind::kInterrupted, "[grid] stopped",
                "The same command goes on where it stopped.");
}

}  // namespace ilora
