// The files of a run folder that are read again.
#include "runs/analysis.h"
#include "runs/metrics.h"
#include "runs/results.h"
#include "runs/rows.h"
#include "runs/schema.h"
#include "tests/fuzz/targets.h"

namespace ilora::fuzz {

void read_results(std::string_view bytes) {
  const RunFolder folder(scratch_file("results/results.json", bytes).parent_path());
  const auto results = read_run_file<Results>(folder);
  for (const std::string& learner : results.learners()) results.scores_of(learner);
  for (const std::string& task : results.tasks) results.column(task);
}

void read_rows(std::string_view bytes) {
  const RunFolder folder(scratch_file("rows/rows.jsonl", bytes).parent_path());
  for (const ScoredRows& rows : read_run_lines<ScoredRows>(folder)) run_line(rows);
}

void read_metrics(std::string_view bytes) {
  const RunFolder folder(scratch_file("metrics/metrics.jsonl", bytes).parent_path());
  for (const StepEvent& step : read_steps(folder)) run_line(step);
}

void read_analysis(std::string_view bytes) {
  const auto file = scratch_file("analysis/analysis/path.json", bytes);
  read_analyses(RunFolder(file.parent_path().parent_path()));
}

}  // namespace ilora::fuzz
