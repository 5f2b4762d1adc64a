// Which run is to be trained, and from which state: a new one, one that goes on, or a finished one
// that learns more. Callers: `ilora train`, `compare`, `sweep` and the library's Session.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "session/configuration.h"
#include "train/observer.h"

namespace ilora {

// A configuration whose recipe names the run's folder and all its tasks.
struct PreparedRun {
  std::unique_ptr<Configuration> configuration;
  bool restore = false;         // from the folder's checkpoint; otherwise from the beginning
  bool learns_more = false;     // it was finished, and goes on with more tasks
  bool accept_changes = false;  // of model, rows or options since its checkpoint
};

// Fills in what a run that begins settles for good: the tasks that are in the folder now, whatever
// joins them later, and the shape of the adapter that it starts from. Throws where task_folders()
// does.
void settle(Recipe& recipe);

// A new run. Throws Error(kUsage) where its folder (recipe.output) holds one already.
PreparedRun prepare_new(std::unique_ptr<Configuration> configuration);

// A run goes on where its last checkpoint stands, or from the beginning where it was stopped before
// its first. Throws Error(kUsage) for a setting that would change its result.
PreparedRun prepare_resume(const std::filesystem::path& run,
                           const std::vector<std::string>& settings);

// A finished run learns the tasks of more folders. Throws Error(kUsage) where it is not finished or
// no task is named, and for a setting that changes what was learned so far, Error(kFile or kData)
// for a folder that is no task; then nothing is changed.
PreparedRun prepare_continue(const std::filesystem::path& run,
                             const std::vector<std::string>& tasks,
                             const std::vector<std::string>& settings);

// engine.memory of a run that begins: chooses the step that fits, sets the recipe to it and tells
// what it will hold. `files` and `tokenizer` are those of the recipe's model, of whose weights
// `loaded` bytes are in memory already. Throws Error(kUsage) where nothing fits.
void fit_memory(Configuration& configuration, const std::vector<TaskText>& tasks,
                const ModelFiles& files, const Tokenizer& tokenizer, TrainingObserver& observer,
                int64_t loaded = 0);

// Whether all tasks of a run are learned and scored.
bool is_finished(const RunFolder& folder);

}  // namespace ilora
