// ilora compare: trains methods with several seeds, a process each, and puts them side by side.
#include <algorithm>
#include <charconv>
#include <iostream>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/process.h"
#include "cli/cells.h"
#include "report/report.h"
#include "study/comparison_data.h"
#include "study/marks.h"
#include "study/tables.h"
#include "study/trials.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

struct CompareArguments {
  GridArguments grid;
  std::string tuned, against, into, keep;
  std::vector<std::string> tasks;
  BootstrapOptions bootstrap;
  bool only_table = false;
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
  if (cells.empty()) {
    throw Error(ErrorKind::kFile,
                fmt::format("[compare] expected cells METHOD/seed-N in {}, got none", a.grid.out),
                "Name the folder of an earlier `ilora compare` (--out).");
  }
  return cells;
}

// Copies what a table needs, and no more: small enough to be committed. What a cell no longer has,
// such as an earlier failure, goes.
void keep_results(const std::vector<Cell>& cells, const fs::path& from, const fs::path& to) {
  for (const Cell& cell : cells) {
    const fs::path folder = to / fs::relative(cell.folder, from);
    for (const char* name : {"config.yaml", "results.json", "rows.jsonl", "failed.json"}) {
      if (!fs::exists(cell.folder / name)) {
        fs::remove(folder / name);
        continue;
      }
      make_folder(folder);
      fs::copy_file(cell.folder / name, folder / name, fs::copy_options::overwrite_existing);
    }
  }
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

// FILE#NAME of --into.
std::pair<std::string, std::string> target_of(const std::string& into) {
  const size_t hash = into.rfind('#');
  if (hash == std::string::npos)
    throw Error(ErrorKind::kUsage,
                fmt::format("[compare] expected FILE#NAME, got '{}' (--into)", into));
  return {into.substr(0, hash), into.substr(hash + 1)};
}

// What would otherwise be found wrong after hours of training.
void check_arguments(const CompareArguments& a) {
  a.grid.require_different_seeds();
  if (!a.into.empty()) {
    const auto [file, name] = target_of(a.into);
    find_marks(file, name);
  }
  if (a.only_table) return;
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
  const Comparison comparison =
      compare_cells(cells, reference_method(a, cells), a.bootstrap, a.tasks);
  const fs::path out = a.grid.out;
  const std::string markdown = comparison_markdown(comparison);
  write_file_atomic(out / "table.md", markdown);
  write_file_atomic(out / "table.csv", comparison_csv(comparison));
  write_file_atomic(out / "table.tex", comparison_latex(comparison));
  write_comparison_json(out / "table.json", comparison);
  std::vector<fs::path> finished;
  for (const Cell& cell : cells)
    if (cell.state() == CellState::kFinished) finished.push_back(cell.folder);
  if (!finished.empty()) write_report(finished, out / "report.html");
  if (!a.keep.empty()) keep_results(cells, out, a.keep);
  if (!a.into.empty()) {
    const auto [file, name] = target_of(a.into);
    replace_between_marks(file, name, markdown);
  }
  std::cout << markdown;
  log().info("table.md, .csv, .tex, .json and report.html in {}", a.grid.out);
}

void compare(const CompareArguments& a) {
  if (!a.only_table && a.grid.config.empty())
    throw Error(ErrorKind::kUsage, "[compare] no configuration is given",
                "Name a YAML file, or say --only-table for what is trained already.");
  CompareArguments b = a;
  if (!a.only_table && a.grid.seeds.empty()) b.grid.seeds = {1, 2, 3};
  check_arguments(b);
  const FolderLock lock(a.grid.out);
  const std::vector<Cell> cells = a.only_table ? cells_there(b) : planned_cells(b);
  reference_method(b, cells);  // throws where --against is none of them
  if (!a.only_table) run_cells(cells, {own_program(), a.grid.retry_failed, a.grid.jobs});
  write_tables(b, cells);
  for (const Cell& cell : cells) {
    if (cell.state() != CellState::kFailed) continue;
    throw Error(ErrorKind::kData, fmt::format("[compare] {} failed: {}", cell.name, cell.failure()),
                "The others are in the table. --retry runs failed cells again; their output is in "
                "log.txt beside failed.json.");
  }
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
      ->delimiter(',');
  command->add_option("--resamples", a->bootstrap.resamples, "of the paired bootstrap")
      ->check(above_zero());
  command->add_option("--bootstrap-seed", a->bootstrap.seed, "of its draws");
  command->add_flag("--only-table", a->only_table, "train nothing: the cells that are in --out");
  command->add_option(
      "--into", a->into,
      "FILE#NAME: the table also between <!-- begin: NAME --> and <!-- end: NAME -->");
  command->add_option("--keep", a->keep, "a folder for copies of each cell's results");
  command->callback([a] {
    install_interrupt_handler();
    compare(*a);
  });
}

}  // namespace ilora
