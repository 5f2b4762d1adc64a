#include "session/prepare.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "model/peft.h"
#include "train/environment.h"
#include "train/memory_plan.h"
#include "train/workbench.h"

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

// What a checkpoint's values and scores mean hangs on these: with others it would be another run.
void check_continue_settings(const std::vector<std::string>& settings) {
  constexpr std::string_view kFixed[] = {
      "method=", "model.path=", "lora.", "data.template=", "data.tasks=", "eval.split=", "output="};
  for (const std::string& s : settings) {
    const auto begins = [&](std::string_view key) { return s.starts_with(key); };
    if (std::ranges::none_of(kFixed, begins)) continue;
    throw Error(ErrorKind::kUsage, fmt::format("[train] --continue cannot change '{}'", s),
                "What was learned and scored so far would mean something else; how the new task is "
                "trained (train.*, the method's own options) may change.");
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

void fit_memory(Configuration& configuration, const std::vector<TaskText>& tasks) {
  Recipe& recipe = configuration.recipe;
  const ModelFiles files = open_model(recipe);
  RunExtent extent;
  {
    const Tokenizer tokenizer = load_tokenizer(files);
    const Encoder encoder(tokenizer, recipe.encoding(), files.config().context);
    extent = extent_of(tasks, encoder, recipe, configuration.method(), files.config());
    extent.resident_bytes = static_cast<int64_t>(resident_memory_mib() * (1 << 20));
  }
  const StepMemory memory = choose_step(recipe, files, gemm_type_of(recipe.mode), extent);
  log().info("{} of memory: {}", recipe.memory, memory.choice.describe());
  if (!memory.reason.empty()) log().info("{}", memory.reason);
  log().info("{}", memory.table());
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
  check_continue_settings(settings);
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
