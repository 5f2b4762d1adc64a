#include "session/prepare.h"

#include <algorithm>
#include <functional>
#include <string_view>

#include "base/error.h"
#include "model/adapter_file.h"
#include "runs/results.h"
#include "runs/schema.h"
#include "train/environment.h"
#include "train/loaded_model.h"
#include "train/memory_plan.h"
#include "train/mode_choice.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;

// Settings of a run that goes on where it stopped.
void change_how(Configuration& configuration, const std::vector<std::string>& settings) {
  const OptionList& options = configuration.options;
  const auto refused = configuration.change(settings, keeps_bits(options));
  if (!refused) return;
  throw Error(ErrorKind::kUsage, fmt::format("[train] --resume cannot change '{}'", *refused),
              fmt::format("A resumed run ends in the uninterrupted one's bits; only {} may differ.",
                          options.keys_text(keeps_bits(options))));
}

// Settings of a finished run that learns more.
void change_what_follows(Configuration& configuration, const std::vector<std::string>& settings) {
  const OptionList& options = configuration.options;
  const auto fixed = [&, method = configuration.recipe.method](std::string_view key) {
    return options.rules(key).fixed_once_learned && options.concerns(key, method);
  };
  const auto refused = configuration.change(settings, std::not_fn(fixed));
  if (!refused) return;
  throw Error(ErrorKind::kUsage, fmt::format("[train] --continue cannot change '{}'", *refused),
              fmt::format("What was learned and scored so far would mean something else, as with "
                          "any of {}; the others may change.",
                          options.keys_text(fixed)));
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

// What is read to go on. Of data.folder, task_folders() says whether it is needed.
void require_paths(const Recipe& recipe) {
  for (const std::string& path : recipe.paths())
    if (path != recipe.data_folder) recipe.require_found(path);
}

}  // namespace

void settle(Recipe& recipe) {
  const std::vector<fs::path> folders = recipe.task_folders();
  if (recipe.tasks.empty()) recipe.tasks = names_of(folders, recipe);
  if (recipe.start_adapter.empty()) return;
  const LoraOptions start = load_adapter_options(recipe.start_adapter);
  if (start.prompts.rows > 0) return;
  recipe.lora.rank = start.rank;
  recipe.lora.alpha = start.alpha;
  recipe.lora.rslora = start.rslora;
  recipe.lora.targets = start.targets;
}

bool is_finished(const RunFolder& folder) {
  return fs::exists(folder.path(Results::kFile)) && read_run_file<Results>(folder).finished();
}

void fit_memory(Configuration& configuration, const std::vector<TaskText>& tasks,
                const ModelFiles& files, const Tokenizer& tokenizer, TrainingObserver& observer,
                int64_t loaded) {
  Recipe& recipe = configuration.recipe;
  const Encoder encoder(tokenizer, recipe.encoding(), files.config().context);
  RunExtent extent = extent_of(tasks, encoder, recipe, configuration.method(), files.config());
  // The plan counts the weights itself.
  const auto resident = static_cast<int64_t>(resident_memory_mib() * (1 << 20));
  extent.resident_bytes = std::max(resident - loaded, int64_t{0});
  const std::string mode = settled_mode(recipe.model_options().mode, files.config());
  const StepMemory memory = choose_step(recipe, files, product_form_of(mode), extent);
  observer.message(fmt::format("{} of memory: {}", recipe.memory, memory.choice.describe()));
  if (!memory.reason.empty()) observer.message(memory.reason);
  observer.message(memory.table());
}

PreparedRun prepare_new(std::unique_ptr<Configuration> configuration) {
  if (configuration->recipe.output.empty())
    throw Error(ErrorKind::kUsage, "[train] no folder is named for the run (output)",
                "For example --set output=runs/mine.");
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
  PreparedRun prepared{configuration_of(folder), folder.has_state()};
  change_how(*prepared.configuration, settings);
  require_paths(prepared.configuration->recipe);
  if (!prepared.restore && folder.last_task() > 0) {
    throw Error(ErrorKind::kFile,
                fmt::format("[train] {} has adapters and no {}: it cannot go on",
                            folder.path().string(), folder.state().string()),
                "Put that file back, or begin a new run in another folder.");
  }
  return prepared;
}

PreparedRun prepare_continue(const fs::path& run, const std::vector<std::string>& tasks,
                             const std::vector<std::string>& settings) {
  const RunFolder folder = open_run(run);
  PreparedRun prepared{configuration_of(folder), true, true};
  if (!is_finished(folder)) {
    throw Error(ErrorKind::kUsage,
                fmt::format("[train] {} is not finished", folder.path().string()),
                fmt::format("First: ilora train --resume {}", folder.path().string()));
  }
  change_what_follows(*prepared.configuration, settings);
  if (tasks.empty()) {
    throw Error(ErrorKind::kUsage, "[train] --continue needs a task to learn", "Add --task DIR.");
  }
  // The tasks so far, by name where they are in data.folder, then the new ones.
  Recipe& recipe = prepared.configuration->recipe;
  require_paths(recipe);
  const std::vector<fs::path> before = recipe.task_folders();
  std::vector<std::string> all = names_of(before, recipe);
  for (const std::string& task : tasks) {
    const std::string name = task_name(task);
    if (std::ranges::any_of(before, [&](const fs::path& one) { return task_name(one) == name; }))
      throw Error(
          ErrorKind::kUsage,
          fmt::format("[train] {} has learned a task named {} already", run.string(), name),
          "Scores are told apart by the folder's name: give what is new a name of its own.");
    // An error now, before anything is changed.
    read_task(task, recipe.limits(task_name(task)), recipe.evaluated_split());
    all.push_back(names_of({task}, recipe).front());
  }
  recipe.tasks = all;
  recipe.task_folders();  // throws for a name that the run has already
  return prepared;
}

}  // namespace ilora
