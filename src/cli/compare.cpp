// ilora compare: trains methods with several seeds, a process each, and puts them side by side.
#include <algorithm>
#include <charconv>
#include <iostream>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/process.h"
#include "cli/cells.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "cli/publish.h"
#include "report/report.h"
#include "study/comparison.h"
#include "study/trials.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

struct CompareArguments {
  GridArguments grid;
  std::string tuned, against;
  std::vector<std::string> tasks;
  BootstrapOptions bootstrap;
};

fs::path cell_folder(const CompareArguments& a, const std::string& method, int64_t seed) {
  return fs::path(a.grid.out) / method / fmt::format("seed-{}", seed);
}

std::string cell_name(const std::string& method, int64_t seed) {
  return fmt::format("{}, seed {}", method, seed);
}

// What --tuned chose for a method, and then --set.
std::vector<std::string> settings_of(const CompareArguments& a, const std::string& method) {
  if (a.tuned.empty()) return a.grid.settings;
  std::vector<std::string> settings;
  if (const auto chosen = chosen_point(a.tuned, method)) {
    settings = *chosen;
  } else {
    log().info("{} was not tuned in {}: {} as it stands", method, a.tuned, a.grid.config);
  }
  settings.insert(settings.end(), a.grid.settings.begin(), a.grid.settings.end());
  return settings;
}

std::vector<Cell> planned_cells(const CompareArguments& a) {
  std::vector<Cell> cells;
  for (const std::string& method : a.grid.chosen_methods()) {
    CellPlan plan{method, 0, {}, a.grid.config, settings_of(a, method), {}};
    for (const int64_t seed : a.grid.seeds) {
      plan.seed = seed;
      plan.name = cell_name(method, seed);
      plan.folder = cell_folder(a, method, seed);
      cells.push_back(make_cell(plan, a.tuned.empty()));
    }
  }
  return cells;
}

// The seed of a folder "seed-N"; none for other names.
std::optional<int64_t> seed_of(const fs::path& folder) {
  const std::string name = folder.filename().string();
  constexpr std::string_view kPrefix = "seed-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t seed = 0;
  const char* end = name.data() + name.size();
  const auto [at, error] = std::from_chars(name.data() + kPrefix.size(), end, seed);
  return error == std::errc() && at == end ? std::optional(seed) : std::nullopt;
}

// The cells of --only-table: those that are there, or those that are asked for.
std::vector<Cell> cells_there(const CompareArguments& a) {
  std::vector<Cell> cells;
  for (const std::string& method : a.grid.chosen_methods()) {
    std::vector<int64_t> seeds = a.grid.seeds;
    const fs::path folder = fs::path(a.grid.out) / method;
    if (seeds.empty() && fs::is_directory(folder)) {
      for (const auto& entry : fs::directory_iterator(folder)) {
        if (const auto seed = seed_of(entry.path())) seeds.push_back(*seed);
      }
      std::sort(seeds.begin(), seeds.end());
    }
    for (const int64_t seed : seeds)
      cells.push_back({method, seed, cell_name(method, seed), cell_folder(a, method, seed), {}});
  }
  if (std::ranges::all_of(cells,
                          [](const Cell& cell) { return cell.state() == CellState::kAbsent; })) {
    throw Error(ErrorKind::kFile,
                fmt::format("[compare] expected cells METHOD/seed-N in {}, got none{}", a.grid.out,
                            cells.empty() ? "" : " of those asked for"),
                "Name the folder of an earlier `ilora compare` (--out).");
  }
  return cells;
}

// The method that the others are compared to.
std::string reference_method(const CompareArguments& a, const std::vector<Cell>& cells) {
  const std::string wanted = a.against.empty() ? "ilora" : a.against;
  const bool there = std::any_of(cells.begin(), cells.end(),
                                 [&](const Cell& cell) { return cell.method == wanted; });
  if (!there && !a.against.empty()) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[compare] {} is not among the methods compared (--against)", wanted));
  }
  return there ? wanted : cells.front().method;
}

// What would otherwise be found wrong after hours of training.
void check_arguments(const CompareArguments& a) {
  a.grid.check("compare");
  if (a.grid.only_table) return;
  Configuration configuration;
  configuration.options.load_yaml(a.grid.config);
  configuration.set(a.grid.settings);
  const std::vector<fs::path> folders = configuration.recipe.task_folders();
  for (const std::string& task : a.tasks) {
    const bool there = std::any_of(folders.begin(), folders.end(),
                                   [&](const fs::path& path) { return task_name(path) == task; });
    if (!there)
      throw Error(ErrorKind::kUsage,
                  fmt::format("[compare] the runs have no task {} (--tasks)", task));
  }
}

void write_tables(const CompareArguments& a, const std::vector<Cell>& cells) {
  std::vector<fs::path> finished;
  for (const Cell& cell : cells)
    if (cell.state() == CellState::kFinished) finished.push_back(cell.folder);
  if (!finished.empty()) write_report(finished, fs::path(a.grid.out) / "report.html");
  std::cout << publish(compare_cells(cells, reference_method(a, cells), a.bootstrap, a.tasks),
                       cells, a.grid);
  log().info("table.md, .csv, .tex, .json{} in {}", finished.empty() ? "" : " and report.html",
             a.grid.out);
}

// Writes the tables; then throws Error where a cell failed.
void finish(const CompareArguments& a, const std::vector<Cell>& cells) {
  write_tables(a, cells);
  for (const Cell& cell : cells) {
    if (cell.state() != CellState::kFailed) continue;
    throw Error(ErrorKind::kData, fmt::format("[compare] {} failed: {}", cell.name, cell.failure()),
                "The others are in the table. --retry runs failed cells again; their output is in "
                "log.txt beside failed.json.");
  }
}

void compare(const CompareArguments& a) {
  CompareArguments b = a;
  if (!a.grid.only_table && a.grid.seeds.empty()) b.grid.seeds = {1, 2, 3};
  check_arguments(b);
  if (a.grid.only_table) return finish(b, cells_there(b));
  const FolderLock lock(a.grid.out);
  const std::vector<Cell> cells = planned_cells(b);
  reference_method(b, cells);  // throws where --against is none of them
  measure_for_cells(a.grid);
  run_cells(cells, {own_program(), log(), interrupted, a.grid.retry_failed, a.grid.jobs});
  finish(b, cells);
}

}  // namespace

void add_compare(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "compare", "train methods with several seeds; one table and one page of all");
  auto a = std::make_shared<CompareArguments>();
  add_grid_options(*command, a->grid);
  command->add_option("--tuned", a->tuned,
                      "a folder of `ilora sweep`: CONFIG with what it chose for each method");
  command->add_option("--against", a->against,
                      "the method that the others are compared to (default: ilora)");
  command->add_option("--tasks", a->tasks, "comma-separated: count only these of the tasks learned")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--resamples", a->bootstrap.resamples, "of the paired bootstrap")
      ->check(above_zero())
      ->capture_default_str();
  command->add_option("--bootstrap-seed", a->bootstrap.seed, "of its draws")->capture_default_str();
  command->callback([a] {
    ignore_closed_pipe();
    install_interrupt_handler();
    compare(*a);
  });
}

}  // namespace ilora
