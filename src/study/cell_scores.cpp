#include "study/cell_scores.h"

#include "runs/rows.h"
#include "runs/schema.h"

namespace ilora {
namespace {

void read_rows(FinishedCell& finished, const RunFolder& folder) {
  for (ScoredRows& row : read_run_lines<ScoredRows>(folder)) {
    LearnerScores& learner = finished.learners[row.learner];
    const auto column = finished.run.column(row.task);
    if (column && row.after == static_cast<int64_t>(*column) + 1)
      learner.learned[row.task] = row.scores;
    learner.last[row.task] = std::move(row.scores);  // lines are in the order of evaluation
    finished.split = row.split;
  }
}

}  // namespace

FinishedCell read_finished(const Cell& cell) {
  const RunFolder folder(cell.folder);
  FinishedCell finished{&cell, read_run_file<Results>(folder), {}, {}};
  for (const std::string& learner : finished.run.learners())
    finished.learners[learner].scores = finished.run.scores_of(learner);
  finished.learners[finished.run.deployed].scores = finished.run.scores;
  read_rows(finished, folder);
  // Where nothing was trained, a task right after its turn is what it was before.
  if (finished.run.timing.train_tokens == 0)
    for (auto& [name, learner] : finished.learners) learner.learned = learner.last;
  return finished;
}

}  // namespace ilora
