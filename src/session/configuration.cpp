#include "session/configuration.h"

#include <filesystem>
#include <map>

#include "base/error.h"
#include "runs/made_from.h"
#include "runs/own_files.h"
#include "runs/results.h"
#include "runs/schema.h"
#include "train/made_from.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

void find_paths(Recipe& recipe, const RunFolder& folder, const MadeFrom& made_from) {
  recipe.replace_paths([&](const std::string& option, const std::string& path) {
    FoundPath found = find_path(path, made_from, folder);
    if (!found.looked.empty()) recipe.missing.push_back({found.path, option, found.looked});
    return found.path;
  });
}

// The mode that the run computes in; empty: it has not begun.
std::string recorded_mode(const RunFolder& folder) {
  if (!fs::exists(folder.path(Results::kFile))) return {};
  return read_run_file<Results>(folder).environment.mode;
}

// What config.yaml says and the run was not made with: a damaged or edited file.
void warn_of_other_options(Configuration& configuration, const MadeFrom& made_from) {
  const OptionList& options = configuration.options;
  for (const auto& [key, value] : made_from.options) {
    if (!options.has(key) || !options.concerns(key, configuration.recipe.method)) continue;
    const OptionRole role = options.rules(key).role;
    if (role == OptionRole::kHow || role == OptionRole::kWhere) continue;
    if (options.value_text(key) != value)
      configuration.warnings.push_back(
          fmt::format("{}: {} was {} when the run was trained and is {} in config.yaml",
                      configuration.recipe.output, key, value, options.value_text(key)));
  }
}

// Nothing tells where they led.
void warn_of_relative_paths(Configuration& configuration) {
  Recipe& recipe = configuration.recipe;
  recipe.replace_paths([&](const std::string& option, const std::string& path) {
    if (fs::path(path).is_relative())
      configuration.warnings.push_back(
          fmt::format("{} does not say where it was trained: its {} {} is looked for from here",
                      recipe.output, option, path));
    return path;
  });
}

}  // namespace

Configuration::Configuration() {
  recipe.add_options(options);
  std::vector<std::string> names;
  for (const MethodEntry& entry : ilora::methods()) names.emplace_back(entry.name);
  options.set_choices("method", names);
  for (const MethodEntry& entry : ilora::methods()) {
    methods_.emplace_back(entry.name, entry.make());
    options.set_owner(entry.name);
    methods_.back().second->add_options(options);
  }
  options.set_owner({});
}

void Configuration::set(const std::vector<std::string>& assignments) {
  for (const std::string& assignment : assignments) options.set(assignment);
}

std::optional<std::string> Configuration::change(const std::vector<std::string>& assignments,
                                                 const OptionList::KeyFilter& may_change) {
  std::map<std::string, std::string> before;
  for (const std::string& key : options.keys()) before[key] = options.value_text(key);
  set(assignments);
  // From the last on: of a key that is given twice, the one that counts.
  for (auto at = assignments.rbegin(); at != assignments.rend(); ++at) {
    const std::string key = setting_key(*at);
    if (!may_change(key) && options.value_text(key) != before.at(key)) return *at;
  }
  return std::nullopt;
}

Method& Configuration::method() {
  const std::string name = find_method(recipe.method).name;
  for (auto& [key, method] : methods_) {
    if (key == name) return *method;
  }
  ILORA_CHECK(false, "method {} has no entry", name);
  return *methods_.front().second;
}

std::string setting_key(const std::string& assignment) {
  std::string key = assignment.substr(0, assignment.find('='));
  std::erase_if(key, [](char c) { return c == ' ' || c == '\t'; });
  return key;
}

OptionList::KeyFilter keeps_bits(const OptionList& options) {
  return [&options](std::string_view key) { return options.rules(key).role == OptionRole::kHow; };
}

std::unique_ptr<Configuration> configuration_of(const RunFolder& folder) {
  auto configuration = std::make_unique<Configuration>();
  Recipe& recipe = configuration->recipe;
  configuration->options.load_yaml(folder.config());
  const std::optional<MadeFrom> made_from = made_from_of(folder, recipe.output);
  recipe.output = folder.path().string();
  recipe.mode_so_far = recorded_mode(folder);
  if (made_from) {
    warn_of_other_options(*configuration, *made_from);
    find_paths(recipe, folder, *made_from);
  } else {
    warn_of_relative_paths(*configuration);
  }
  for (std::string& warning : files_of_others(folder))
    configuration->warnings.push_back(std::move(warning));
  // A library's run of an earlier version brings the rows that it was given along.
  if (!fs::exists(recipe.data_folder) && fs::exists(folder.given_tasks()))
    recipe.data_folder = fs::absolute(folder.given_tasks()).lexically_normal().string();
  return configuration;
}

std::string model_change(const RunFolder& folder, const ModelFiles& files) {
  if (!fs::exists(folder.path(Results::kFile))) return {};
  const auto made_from = read_run_file<Results>(folder).made_from;
  const std::string change = made_from ? model_change(made_from->model, hash_model(files)) : "";
  if (change.empty()) return {};
  return fmt::format("{} was trained with other files: {}", folder.path().string(), change);
}

std::vector<TaskText> read_tasks(const Recipe& recipe) {
  std::vector<TaskText> tasks;
  for (const fs::path& folder : recipe.task_folders())
    tasks.push_back(read_task(folder, recipe.limits(task_name(folder)), recipe.evaluated_split()));
  return tasks;
}

}  // namespace ilora
