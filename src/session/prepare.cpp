#include "session/prepare.h"

#include "base/error.h"
#include "base/json.h"
#include "model/peft.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

void check_resume_settings(const std::vector<std::string>& settings) {
  for (const std::string& s : settings) {
    if (may_change(s)) continue;
    throw Error(ErrorKind::kUsage, fmt::format("[train] --resume cannot change '{}'", s),
                "A resumed run ends in the uninterrupted one's bits; only engine.threads, "
                "engine.recompute and checkpoint.* may differ.");
  }
}

// Task folders as data.tasks: by name where they are in data.folder.
std::vector<std::string> names_of(const std::vector<fs::path>& folders, const Recipe& recipe) {
  std::vector<std::string> names;
  for (const fs::path& path : folders) {
    const fs::path inside = fs::relative(path, recipe.data_folder);
    const bool outside = inside.empty() || *inside.begin() == "..";
    names.push_back((outside ? fs::absolute(path).lexically_normal() : inside).string());
  }
  return names;
}

}  // namespace

void settle(Recipe& recipe) {
  const std::vector<fs::path> folders = recipe.task_folders();
  if (recipe.tasks.empty()) recipe.tasks = names_of(folders, recipe);
  if (recipe.start_adapter.empty()) return;
  const LoraOptions start = load_peft_options(recipe.start_adapter);
  if (start.prompts.rows > 0) return;
  recipe.lora.rank = start.rank;
  recipe.lora.alpha = start.alpha;
  recipe.lora.rslora = start.rslora;
  recipe.lora.targets = start.targets;
}

bool may_change(const std::string& setting) {
  return setting.starts_with("engine.threads=") || setting.starts_with("engine.recompute=") ||
         setting.starts_with("checkpoint.");
}

bool is_finished(const RunFolder& folder) {
  return fs::exists(folder.results()) &&
         read_json(folder.results()).value("status", "") == "finished";
}

PreparedRun prepare_new(std::unique_ptr<Configuration> configuration) {
  const RunFolder folder(configuration->recipe.output);
  if (folder.exists()) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[train] {} holds a run already", folder.path().string()),
                fmt::format("Go on with it by `ilora train --resume {}`, or choose another folder "
                            "(--set output=...).",
                            folder.path().string()));
  }
  settle(configuration->recipe);
  return {std::move(configuration), false};
}

PreparedRun prepare_resume(const fs::path& run, const std::vector<std::string>& settings) {
  const RunFolder folder = open_run(run);
  check_resume_settings(settings);
  PreparedRun prepared{configuration_of(folder), fs::exists(folder.state())};
  prepared.configuration->set(settings);
  if (!prepared.restore) folder.truncate_metrics(0);
  return prepared;
}

PreparedRun prepare_continue(const fs::path& run, const std::vector<std::string>& tasks,
                             const std::vector<std::string>& settings) {
  const RunFolder folder = open_run(run);
  PreparedRun prepared{configuration_of(folder), true};
  if (!is_finished(folder)) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[train] {} is not finished", folder.path().string()),
                fmt::format("First: ilora train --resume {}", folder.path().string()));
  }
  if (tasks.empty()) {
    throw Error(ErrorKind::kUsage, "[train] --continue needs a task to learn", "Add --task DIR.");
  }
  // The tasks so far, by name where they are in data.folder, then the new ones.
  Recipe& recipe = prepared.configuration->recipe;
  std::vector<std::string> all = names_of(recipe.task_folders(), recipe);
  for (const std::string& task : tasks) {
    // An error now, before anything is changed.
    read_task(task, recipe.limits(task_name(task)), recipe.evaluated_split());
    all.push_back(fs::absolute(task).lexically_normal().string());
  }
  prepared.configuration->set(settings);
  recipe.tasks = all;
  recipe.task_folders();  // throws for a name that the run has already
  return prepared;
}

}  // namespace ilora
