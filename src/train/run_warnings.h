// What a run is warned of as it begins or goes on: nothing of it stops a run.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "continual/method.h"
#include "runs/run_folder.h"
#include "train/checkpoint.h"
#include "train/observer.h"
#include "train/recipe.h"

namespace ilora {

// Labels that look alike, texts without anything to see, and what else eval/wording.h finds.
void warn_of_wording(const std::vector<TaskText>& tasks, const Recipe& recipe,
                     TrainingObserver& observer);
// Where rows are written in the chat template: names of turns that it does not write, and the day that
// it gets where it asks for one (text/jinja.h).
void warn_of_template(const std::vector<TaskText>& tasks, const std::string& chat_template,
                      const Recipe& recipe, TrainingObserver& observer);
// Of tasks that are still to be learned, those that end before much can have been learned; those
// without steps are not meant to.
void warn_of_few_steps(std::span<const StreamTask> ahead, const Recipe& recipe,
                       TrainingObserver& observer);
// Adapters of earlier tasks are not read to go on, and may be damaged: said now, not when one of them
// is to answer.
void warn_of_damaged_adapters(const RunFolder& folder, const ModelConfig& config,
                              TrainingObserver& observer);
// Lines of metrics.jsonl and rows.jsonl that are not as the checkpoint knows them (runs/written_lines.h). Returns
// how many bytes of metrics.jsonl it counts.
int64_t warn_of_changed_lines(const RunFolder& folder, StateReader& checkpoint,
                              TrainingObserver& observer);

}  // namespace ilora
