#include "session/configuration.h"

#include <filesystem>

#include "base/error.h"

namespace ilora {

Configuration::Configuration() {
  recipe.add_options(options);
  std::vector<std::string> names;
  for (const MethodEntry& entry : ilora::methods()) names.emplace_back(entry.name);
  options.set_choices("method", names);
  for (const MethodEntry& entry : ilora::methods()) {
    methods_.emplace_back(entry.name, entry.make());
    methods_.back().second->add_options(options);
  }
}

void Configuration::set(const std::vector<std::string>& assignments) {
  for (const std::string& assignment : assignments) options.set(assignment);
}

Method& Configuration::method() {
  const std::string name = find_method(recipe.method).name;
  for (auto& [key, method] : methods_) {
    if (key == name) return *method;
  }
  ILORA_CHECK(false, "method {} has no entry", name);
  return *methods_.front().second;
}

std::unique_ptr<Configuration> configuration_of(const RunFolder& folder) {
  auto configuration = std::make_unique<Configuration>();
  configuration->options.load_yaml(folder.config());
  configuration->recipe.output = folder.path().string();
  return configuration;
}

std::vector<TaskText> read_tasks(const Recipe& recipe) {
  std::vector<TaskText> tasks;
  for (const std::filesystem::path& folder : recipe.task_folders())
    tasks.push_back(read_task(folder, recipe.limits(task_name(folder)), recipe.evaluated_split()));
  return tasks;
}

}  // namespace ilora
