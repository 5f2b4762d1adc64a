#include "cli/cells.h"

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"
#include "cli/publish.h"
#include "session/prepare.h"
#include "train/mode_choice.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// Whether runs of a method with another value of an option are other runs.
bool decides_result(const OptionList& options, const std::string& key, const std::string& method) {
  const OptionRole role = options.rules(key).role;
  return (role == OptionRole::kResult || role == OptionRole::kWhere) &&
         options.concerns(key, method);
}

// A folder that holds a run already holds the one that is asked for.
void require_same(const Configuration& wanted, const fs::path& folder) {
  const RunFolder run(folder);
  if (!run.exists()) return;
  const auto there = configuration_of(run);
  settle(there->recipe);
  for (const std::string& key : wanted.options.keys()) {
    if (!decides_result(wanted.options, key, wanted.recipe.method)) continue;
    const std::string want = wanted.options.value_text(key), have = there->options.value_text(key);
    if (want == have) continue;
    throw Error(ErrorKind::kUsage,
                fmt::format("[grid] expected {} {} as asked for, got {} ({})", key, want, have,
                            run.config().string()),
                "That cell was trained with other settings: name another folder (--out), or "
                "remove the cell.");
  }
}

}  // namespace

std::vector<std::string> GridArguments::chosen_methods() const {
  std::vector<std::string> names = methods;
  for (const std::string& name : names) {
    find_method(name);
    if (std::count(names.begin(), names.end(), name) > 1)
      throw Error(ErrorKind::kUsage, fmt::format("[grid] method {} is named twice", name));
  }
  if (names.empty())
    for (const MethodEntry& entry : ilora::methods()) names.emplace_back(entry.name);
  return names;
}

void GridArguments::check(const std::string& command) const {
  if (!only_table && config.empty())
    throw Error(ErrorKind::kUsage, fmt::format("[{}] no configuration is given", command),
                "Name a YAML file, or say --only-table for what is trained already.");
  for (const int64_t seed : seeds) {
    if (std::count(seeds.begin(), seeds.end(), seed) > 1)
      throw Error(ErrorKind::kUsage, fmt::format("[grid] seed {} is named twice (--seeds)", seed));
  }
  require_marks(into);
  if (!only_table) Configuration().options.load_yaml(config);
}

std::string shell_word(const std::string& word) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-+=./,:@%").find(c) != std::string_view::npos;
  };
  if (!word.empty() && std::ranges::all_of(word, plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

std::string GridArguments::command_line(const std::string& command) const {
  std::string line = fmt::format("ilora {} {}", command, shell_word(config));
  if (!methods.empty()) line += fmt::format(" --methods {}", fmt::join(methods, ","));
  if (!seeds.empty()) line += fmt::format(" --seeds {}", fmt::join(seeds, ","));
  for (const std::string& setting : settings) line += " --set " + shell_word(setting);
  return line + " --out " + shell_word(out);
}

void add_grid_options(CLI::App& command, GridArguments& a) {
  command.add_option("config", a.config, "a YAML file that all cells begin from; see examples/");
  command.add_option("--methods", a.methods, "comma-separated; default: all")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--seeds", a.seeds, "comma-separated (default: 1,2,3; of a sweep: 1)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(not_below_zero());
  command.add_option("--set", a.settings, "key=value, for every cell (repeatable)")
      ->allow_extra_args(false);
  command.add_option("--out", a.out, "the folder of the grid; the same one goes on")->required();
  command.add_flag("--retry", a.retry_failed, "run cells again that failed");
  command
      .add_option("--jobs", a.jobs,
                  "cells at once, each with its share of the threads: more work an hour than one "
                  "cell with all of them")
      ->check(above_zero())
      ->capture_default_str();
  command.add_flag("--only-table", a.only_table, "train nothing: the cells that are in --out");
  command.add_option("--into", a.into,
                     "FILE#NAME: the table also between <!-- begin: NAME --> and <!-- end: NAME "
                     "-->");
  command.add_option("--keep", a.keep, "a folder for copies of each cell's results");
}

void measure_for_cells(const GridArguments& a) {
  Configuration configuration;
  Recipe& recipe = configuration.recipe;
  try {
    configuration.options.load_yaml(a.config);
    configuration.set(a.settings);
    if (!is_measured(recipe.mode)) return;
    const int64_t share = std::max<int64_t>(1, max_threads() / a.jobs);
    const ScopedThreads threads(recipe.threads > 0 ? recipe.threads : share);
    settled_mode(recipe.mode, open_model(recipe.model_options()).config());
  } catch (const Error&) {
    // What is wrong with the configuration or the model, the cells say.
  }
}

std::vector<std::string> cell_settings(const CellPlan& plan) {
  std::vector<std::string> settings = plan.settings;
  settings.insert(settings.end(), {"method=" + plan.method, fmt::format("seed={}", plan.seed),
                                   "output=" + plan.folder.string()});
  return settings;
}

Cell make_cell(const CellPlan& plan, bool must_be_valid) {
  Cell cell{plan.method, plan.seed, plan.name, plan.folder, {"train", plan.config}};
  const std::vector<std::string> settings = cell_settings(plan);
  for (const std::string& setting : settings)
    cell.arguments.insert(cell.arguments.end(), {"--set", setting});
  Configuration configuration;
  try {
    configuration.options.load_yaml(plan.config);
    configuration.set(settings);
    settle(configuration.recipe);
  } catch (const Error&) {
    if (must_be_valid) throw;
    return cell;
  }
  require_same(configuration, plan.folder);
  return cell;
}

}  // namespace ilora
