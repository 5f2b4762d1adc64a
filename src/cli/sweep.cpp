// ilora sweep: tries values of options on the eval splits, with the same budget for every method,
// and writes each method's best configuration.
#include <algorithm>
#include <iostream>
#include <iterator>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "cli/cells.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "cli/publish.h"
#include "study/trials.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

struct SweepArguments {
  GridArguments grid;
  std::vector<std::string> lists, ranges;
  int64_t trials = 0;
  uint64_t search_seed = 1;
};

// The command, as a reader may repeat it.
std::string command_line(const SweepArguments& a) {
  std::string line = a.grid.command_line("sweep");
  for (const std::string& list : a.lists) line += " --grid " + shell_word(list);
  for (const std::string& range : a.ranges) line += " --range " + shell_word(range);
  if (a.trials > 0) line += fmt::format(" --trials {}", a.trials);
  if (a.search_seed != 1) line += fmt::format(" --search-seed {}", a.search_seed);
  return line;
}

// Trials are scored on the eval splits. Only the last row decides; who asks for more
// (--set eval.matrix) sees it in the table.
constexpr const char* kScoredSplit = "eval.split=eval";
constexpr const char* kScoredRows = "eval.matrix=last";

// Whether every trial sets an option to what makes it that trial.
bool set_by_sweep(const std::string& key) {
  CellPlan plan;
  plan.settings = {kScoredSplit};
  const std::vector<std::string> own = cell_settings(plan);
  return std::ranges::any_of(own, [&](const auto& setting) { return setting_key(setting) == key; });
}

void require_free_settings(const std::vector<std::string>& settings) {
  for (const std::string& setting : settings) {
    const std::string key = setting_key(setting);
    if (set_by_sweep(key))
      throw Error(
          ErrorKind::kUsage,
          fmt::format("[sweep] {} is set by the sweep itself, got '{}' (--set)", key, setting),
          "--methods, --seeds and --out say the first three; trials are scored on the eval "
          "split.");
  }
}

// The dimensions that mean something to a method: not those of another method's options.
std::vector<SearchDimension> dimensions_of(const std::string& method,
                                           const std::vector<SearchDimension>& all) {
  const Configuration known;
  std::vector<SearchDimension> own;
  std::ranges::copy_if(all, std::back_inserter(own), [&](const SearchDimension& d) {
    return known.options.concerns(d.key, method);
  });
  return own;
}

std::vector<SearchDimension> all_dimensions(const SweepArguments& a) {
  std::vector<SearchDimension> all;
  for (const std::string& text : a.lists) all.push_back(parse_grid(text));
  for (const std::string& text : a.ranges) all.push_back(parse_range(text));
  const Configuration known;
  for (const SearchDimension& dimension : all) {
    known.options.require(dimension.key, "--grid or --range");
    const bool twice = std::count_if(all.begin(), all.end(), [&](const SearchDimension& other) {
                         return other.key == dimension.key;
                       }) > 1;
    if (twice)
      throw Error(ErrorKind::kUsage, fmt::format("[sweep] {} is given twice", dimension.key),
                  "Name all its values in one list.");
    if (set_by_sweep(dimension.key) || dimension.key == setting_key(kScoredRows))
      throw Error(ErrorKind::kUsage, fmt::format("[sweep] {} cannot be swept over", dimension.key));
  }
  if (all.empty())
    throw Error(ErrorKind::kUsage, "[sweep] nothing is given to try",
                "Add --grid KEY=A,B,C or --range KEY=LOW:HIGH[:log].");
  return all;
}

// The same number of trials for every method, unless a method has fewer points in all.
void require_equal_budget(const std::vector<std::string>& names,
                          const std::vector<SearchDimension>& all, int64_t trials) {
  if (trials > 0) return;
  const int64_t first = search_size(dimensions_of(names.front(), all));
  for (const std::string& name : names) {
    const int64_t size = search_size(dimensions_of(name, all));
    if (size == 0)
      throw Error(ErrorKind::kUsage, "[sweep] a range needs a number of trials", "Add --trials N.");
    if (size == first) continue;
    throw Error(ErrorKind::kUsage,
                fmt::format("[sweep] expected the same number of trials for every method, got {} "
                            "for {} and {} for {}",
                            first, names.front(), size, name),
                "Add --trials N: at most N points of each, drawn at random where there are more.");
  }
}

MethodTrials plan_trials(const SweepArguments& a, const std::string& method,
                         const std::vector<SearchPoint>& points) {
  MethodTrials planned{method, {}};
  for (size_t i = 0; i < points.size(); ++i) {
    Trial& trial = planned.trials.emplace_back(Trial{points[i], {}});
    for (const int64_t seed : a.grid.seeds) {
      CellPlan plan{method,
                    seed,
                    fmt::format("{}, trial {}, seed {}", method, i + 1, seed),
                    a.grid.config,
                    a.grid.settings,
                    trial_folder(a.grid.out, method, i, seed)};
      plan.settings.insert(plan.settings.begin(), kScoredRows);
      plan.settings.insert(plan.settings.end(), points[i].begin(), points[i].end());
      plan.settings.emplace_back(kScoredSplit);
      trial.cells.push_back(make_cell(plan));
    }
  }
  return planned;
}

// The base configuration with the method and its best settings: complete, for `ilora train`.
void write_best(const SweepArguments& a, const MethodTrials& tried) {
  const auto best = tried.best();
  if (!best) return;
  const Trial& trial = tried.trials[*best];
  Configuration configuration;
  configuration.options.load_yaml(a.grid.config);
  configuration.set(a.grid.settings);
  configuration.set(trial.point);
  configuration.set({"method=" + tried.method});
  configuration.recipe.output += "/" + tried.method;
  const fs::path file = fs::path(a.grid.out) / (tried.method + ".yaml");
  write_file_atomic(file, fmt::format("# ilora train {}\n#\n# Chosen by `ilora sweep`: trial {} of "
                                      "{}, average accuracy {:.4f} on the eval splits.\n{}",
                                      file.string(), *best + 1, tried.trials.size(), *trial.score(),
                                      configuration.options.to_yaml()));
}

void write_outcome(const SweepArguments& a, const std::vector<MethodTrials>& methods) {
  for (const MethodTrials& tried : methods) write_best(a, tried);
  for (const fs::path folder : {a.grid.out, a.grid.keep}) {
    if (folder.empty()) continue;
    make_folder(folder);
    write_file_atomic(folder / "trials.md", trials_markdown(methods, command_line(a)));
    write_trials_json(folder / "trials.json", methods, command_line(a));
  }
}

// Every trial as if it were a method: what an option changes in all that is measured. Empty where
// trials cannot be compared, such as those of different measures.
std::string write_table(const SweepArguments& a, const std::vector<MethodTrials>& methods) {
  const std::vector<Cell> cells = cells_by_trial(methods);
  try {
    return publish(compare_cells(cells, cells.front().method, {}), cells, a.grid);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kData) throw;
    log().warn("no table sets the trials side by side: {}", e.what());
    return {};
  }
}

// What --only-table asks for: the trials of an earlier sweep, which says itself what they were.
void write_table_anew(const SweepArguments& a) {
  if (!a.lists.empty() || !a.ranges.empty() || !a.grid.methods.empty())
    throw Error(ErrorKind::kUsage,
                fmt::format("[sweep] --only-table takes the methods and their settings from {}",
                            (fs::path(a.grid.out) / "trials.json").string()),
                "Leave --methods, --grid and --range away.");
  const std::vector<MethodTrials> methods = read_trials(a.grid.out);
  std::cout << write_table(a, methods);
  log().info("table.md, .csv, .tex and .json in {}", a.grid.out);
}

void sweep(const SweepArguments& a) {
  a.grid.check("sweep");
  if (a.grid.only_table) return write_table_anew(a);
  const std::vector<std::string> names = a.grid.chosen_methods();
  require_free_settings(a.grid.settings);
  const std::vector<SearchDimension> all = all_dimensions(a);
  require_equal_budget(names, all, a.trials);
  const FolderLock lock(a.grid.out);
  std::vector<MethodTrials> planned;
  for (const std::string& name : names)
    planned.push_back(
        plan_trials(a, name, search_points(dimensions_of(name, all), a.trials, a.search_seed)));
  std::vector<Cell> cells;
  for (const MethodTrials& method : planned)
    for (const Trial& trial : method.trials)
      cells.insert(cells.end(), trial.cells.begin(), trial.cells.end());
  measure_for_cells(a.grid);
  run_cells(cells, {own_program(), log(), interrupted, a.grid.retry_failed, a.grid.jobs,
                    [&] { write_outcome(a, planned); }});
  write_outcome(a, planned);
  std::cout << trials_markdown(planned, command_line(a)) << std::flush;
  write_table(a, planned);
  log().info("trials.md and .json, METHOD.yaml, table.md, .csv, .tex and .json in {}", a.grid.out);
  for (const MethodTrials& method : planned) {
    if (method.best()) continue;
    throw Error(ErrorKind::kData,
                fmt::format("[sweep] no trial of {} came to an end: {}", method.method,
                            method.trials.front().failure()),
                fmt::format("What each printed is in {}/{}/trial-*/seed-*/log.txt.", a.grid.out,
                            method.method));
  }
}

}  // namespace

void add_sweep(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "sweep", "try values of options on the eval splits; write each method's best configuration");
  auto a = std::make_shared<SweepArguments>();
  a->grid.seeds = {1};
  add_grid_options(*command, a->grid);
  command->add_option("--grid", a->lists, "KEY=A,B,C: every combination (repeatable)")
      ->allow_extra_args(false);
  command
      ->add_option("--range", a->ranges,
                   "KEY=LOW:HIGH or KEY=LOW:HIGH:log: points are drawn at random (repeatable)")
      ->allow_extra_args(false);
  command
      ->add_option("--trials", a->trials,
                   "most points of each method; of a larger grid, so many at random")
      ->check(above_zero());
  command->add_option("--search-seed", a->search_seed, "decides the random points")
      ->capture_default_str();
  command->callback([a] {
    ignore_closed_pipe();
    install_interrupt_handler();
    sweep(*a);
  });
}

}  // namespace ilora
