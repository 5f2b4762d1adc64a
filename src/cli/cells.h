// Cells of a grid from a configuration: what `ilora compare` and `ilora sweep` share.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "study/grid.h"

namespace ilora {

struct GridArguments {
  std::string config, out, into, keep;
  std::vector<std::string> methods, settings;
  std::vector<int64_t> seeds;
  bool retry_failed = false, only_table = false;
  int64_t jobs = 1;

  // The methods asked for, else every registered one. Throws Error(kUsage) for one that is not.
  std::vector<std::string> chosen_methods() const;
  // Throws Error(kUsage) for a configuration that is missing or unreadable, a seed named twice and
  // an --into that names no marks: what would otherwise be found wrong after hours of training.
  void check(const std::string& command) const;
  // "ilora COMMAND CONFIG --methods … --seeds … --set … --out …", to be repeated by a reader.
  std::string command_line(const std::string& command) const;
};
// CONFIG, --methods, --seeds, --set, --out, --retry, --jobs, --only-table, --into, --keep.
void add_grid_options(CLI::App& command, GridArguments& arguments);

// A word of a command line, in quotes where a shell would take it apart.
std::string shell_word(const std::string& word);

struct CellPlan {
  std::string method;
  int64_t seed = 1;
  std::string name;    // for people
  std::string config;  // a YAML file
  std::vector<std::string> settings;
  std::filesystem::path folder;
};

// What a plan sets: what is asked for, then what makes it this cell.
std::vector<std::string> cell_settings(const CellPlan& plan);
// The cell of a plan. Throws Error(kUsage) where the folder holds a run of other settings and, with
// `must_be_valid`, where file or settings do not fit; without, the cell itself will fail of them.
Cell make_cell(const CellPlan& plan, bool must_be_valid = true);

// Times the model's products where engine.mode is auto and that was not done yet, as a cell would
// with its share of the threads: measured side by side, cells might come to different modes.
void measure_for_cells(const GridArguments& arguments);

}  // namespace ilora
