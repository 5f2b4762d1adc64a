// What the analyses of a run share: the run with its tasks and model, and where results go.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/landscape.h"
#include "base/csv.h"
#include "base/json.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "runs/analysis.h"
#include "runs/results.h"
#include "session/configuration.h"
#include "train/workbench.h"

namespace ilora {

// Each adds itself to `ilora analyze`.
void add_analyze_path(CLI::App& analyze);
void add_analyze_plane(CLI::App& analyze);
void add_analyze_distance(CLI::App& analyze);
void add_analyze_cka(CLI::App& analyze);
void add_analyze_subspace(CLI::App& analyze);
void add_analyze_sharpness(CLI::App& analyze);

// Options of every analysis.
struct AnalyzeOptions {
  std::string run, name, split = "test";
  std::string choose;  // another split, on which an analysis chooses; empty: none
  std::vector<std::string> settings, tasks;
  int64_t rows = 0;
  bool json = false;

  bool includes(const std::string& task) const;  // whether --task leaves it in
  // RUN, --set, --name, --json. `name`: what the files are called where --name says nothing else.
  void add(CLI::App& command, const std::string& default_name);
  void add_task(CLI::App& command);      // --task, where an analysis runs on tasks
  void add_measured(CLI::App& command);  // --task, --rows, --split, where it measures them
};

// A run folder opened for analysis. Throws Error(kFile) where the run has no adapters.
class AnalyzedRun {
 public:
  explicit AnalyzedRun(const AnalyzeOptions& options);
  explicit AnalyzedRun(const std::string& path);  // for its adapters and names alone

  const RunFolder& folder() const { return folder_; }
  Recipe& recipe() const { return configuration_->recipe; }
  const std::vector<std::string>& task_names() const { return results_.tasks; }
  std::string label() const;  // "ilora, seed 1"
  bool answers_by_task() const { return configuration_->method().answers_by_task(); }
  // The learner asked for; empty: the one that answers.
  std::string learner(const std::string& asked) const;
  // The tasks (from 1) that there are checkpoints of, in order: not all where tasks are learned
  // together.
  std::vector<int64_t> saved_tasks() const;
  int64_t last_task() const { return folder_.last_task(); }
  // The checkpoint's folder. Throws Error(kFile) naming what there is.
  std::filesystem::path checkpoint(int64_t task, const std::string& learner) const;

  // Warns where another run's checkpoints were trained on another base model or template: they are
  // measured on this run's.
  void compare_base(const AnalyzedRun& other) const;
  // Loads the model, once; the calling thread computes with the recipe's number of threads from
  // then on.
  Workbench& bench();
  const ModelConfig& config();  // without its weights
  Adapter adapter(const std::filesystem::path& folder);
  // The texts of the tasks that are measured; `others` are folders of tasks that are added where
  // their names are new. Throws Error(kFile) where the run's data folder is gone.
  const std::vector<TaskText>& texts(const std::vector<std::filesystem::path>& others = {});
  std::vector<TaskEval> evals(Split split);
  Landscape landscape(Split split);
  // Training rows of some tasks, encoded.
  std::vector<Row> training_rows(const std::vector<std::string>& tasks);

 private:
  void require_adapters() const;

  RunFolder folder_;
  std::unique_ptr<Configuration> configuration_;
  Results results_;
  std::vector<TaskText> texts_;
  std::vector<std::string> measures_;
  AnalyzeOptions options_;
  std::optional<ModelFiles> files_;  // opened for the configuration, until the model takes them
  std::optional<ScopedThreads> threads_;
  std::unique_ptr<const LoadedModel> model_;
  std::unique_ptr<Workbench> bench_;
};

// "1,2". Throws Error(kUsage).
std::pair<int64_t, int64_t> parse_pair(const std::string& text);

// A table of numbers for other programs: a header and rows, written as CSV.
struct NumberTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;

  std::string text() const;
};

// What every analysis' file begins with.
Json analysis_result(const AnalyzedRun& run, const std::string& analysis, const std::string& title);

// Writes RUN/analysis/NAME.{json,csv} and pictures, and the run's report anew. `result` has
// "analysis", "title", "text" (sentences) and "figures" (report/figures.h) beside its own keys.
// Prints `result` without its figures where JSON is asked for, else `terminal`.
void finish_analysis(const AnalyzedRun& run, const AnalyzeOptions& options, const Json& result,
                     const NumberTable& csv, const std::string& terminal);

}  // namespace ilora
