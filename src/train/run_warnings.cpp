#include "train/run_warnings.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "eval/wording.h"
#include "model/peft.h"
#include "runs/schema.h"
#include "runs/written_lines.h"

namespace ilora {

void warn_of_wording(const std::vector<TaskText>& tasks, const Recipe& recipe,
                     TrainingObserver& observer) {
  for (const TaskText& task : tasks) {
    std::vector<Finding> findings;
    check_wording(findings, task, {}, recipe.special_tokens == "parse");
    for (const Finding& finding : findings)
      observer.warning(fmt::format("{}: {}", task.name, finding.text));
  }
}

void warn_of_template(const std::vector<TaskText>& tasks, const std::string& chat_template,
                      const Recipe& recipe, TrainingObserver& observer) {
  if (recipe.text_template != "chat") return;
  const auto has = [&](std::string_view part) {
    return chat_template.find(part) != std::string::npos;
  };
  if (has("strftime_now(") && !has("strftime_now is defined")) {
    observer.warning(
        "the chat template writes today's date; it gets 26 July 2024, so that the same rows are "
        "always the same tokens. Where the model is used with the present date, its system turn is "
        "another");
  }
  if (has(".name") || has("['name']") || has("[\"name\"]") || has("'name'")) return;
  for (const TaskText& task : tasks) {
    const auto named = [](const Example& row) {
      return std::ranges::any_of(row.turns, [](const Turn& turn) { return !turn.name.empty(); });
    };
    const auto count = std::ranges::count_if(task.train, named);
    if (count == 0) continue;
    observer.warning(
        fmt::format("{}: {} training rows have names in turns, which the chat template "
                    "does not write",
                    task.name, count));
  }
}

void warn_of_few_steps(std::span<const StreamTask> ahead, const Recipe& recipe,
                       TrainingObserver& observer) {
  constexpr int64_t kFew = 20;
  std::vector<std::string> few;
  for (const StreamTask& task : ahead)
    if (task.steps > 0 && task.steps < kFew)
      few.push_back(fmt::format("{} ({} rows, {} steps)", task.name, task.rows.size(), task.steps));
  if (few.empty()) return;
  observer.warning(
      fmt::format("{}: fewer than {} optimiser steps may be too few to learn a task. More "
                  "train.epochs ({} now) or a smaller train.batch_size ({}) give more",
                  fmt::join(few, ", "), kFew, recipe.epochs, recipe.batch_size));
}

void warn_of_damaged_adapters(const RunFolder& folder, const ModelConfig& config,
                              TrainingObserver& observer) {
  for (int64_t task = 1; task <= folder.last_task(); ++task) {
    if (!std::filesystem::is_directory(folder.task(task))) continue;
    for (const std::string& learner : folder.learners(task)) {
      try {
        load_peft(folder.adapter(task, learner), config);
      } catch (const Error& e) {
        observer.warning(fmt::format("{}; the run goes on, and leaves it as it is", e.what()));
      }
    }
  }
}

int64_t warn_of_changed_lines(const RunFolder& folder, StateReader& checkpoint,
                              TrainingObserver& observer) {
  WrittenLines lines;
  if (checkpoint.has("lines"))
    lines = checkpoint.parse<WrittenLines>("lines");
  else
    checkpoint.value("metrics_bytes", lines.metrics_bytes);  // of an earlier version
  int64_t learned = 0;
  checkpoint.value("position.task", learned);
  for (const std::string& changed : lines_changed(folder, lines, learned))
    observer.warning(changed);
  return lines.metrics_bytes;
}

}  // namespace ilora
