// A grid of runs: each cell is one `ilora train` in a process and a folder of its own. Called by
// `ilora compare` and `ilora sweep`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "runs/run_folder.h"

namespace ilora {

enum class CellState {
  kAbsent,    // nothing there
  kBegun,     // a run that can be resumed
  kFinished,  // results.json says so
  kFailed     // failed.json says why
};

struct Cell {
  std::string method;
  int64_t seed = 1;
  std::string name;  // for people: "er, seed 2"
  std::filesystem::path folder;
  std::vector<std::string> arguments;  // of `ilora`, for a cell that begins

  RunFolder run() const { return RunFolder(folder); }
  CellState state() const;
  std::string failure() const;  // why it failed; empty where it did not
};

struct GridOptions {
  std::filesystem::path program;  // this one, or what a test puts in its place
  bool retry_failed = false;
  int64_t jobs = 1;  // cells at once; they share the threads that this program would have
  std::function<void()> after_cell = {};  // to write what is known so far
};

// Runs what is not finished, in order; an interrupted cell is resumed. A cell that fails is
// recorded (failed.json; its output is in log.txt) and the next one runs. Throws
// Error(kInterrupted) after Ctrl-C, when the cells under way have written their checkpoints.
void run_cells(std::span<const Cell> cells, const GridOptions& options);

}  // namespace ilora
