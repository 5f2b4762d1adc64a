// What a run's learners are worth: each task under each of them, before training and after every
// task. Fills the score matrices, rows.jsonl and the probes of general ability.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "continual/method.h"
#include "data/task.h"
#include "eval/evaluator.h"
#include "runs/rows.h"
#include "runs/run_folder.h"
#include "runs/score_book.h"
#include "train/observer.h"
#include "train/recipe.h"
#include "train/workbench.h"

namespace ilora {

class Scoring {
 public:
  // Everything outlives the scoring. Throws Error(kData) for a task without the split that is
  // scored, Error(kFile) for a run of eval.references that is not there.
  Scoring(const Recipe& recipe, Method& method, Run& run, Workbench& bench, const RunFolder& folder,
          const std::vector<TaskText>& tasks, TrainingObserver& observer);

  // Row `row` of the score matrix, as far as eval.matrix asks for it: after `row` tasks; 0: before
  // training. False where the observer stops it.
  [[nodiscard]] bool evaluate(int64_t row);
  // Nothing was trained since row `from`: row `to` repeats it.
  void repeat(int64_t from, int64_t to);
  // Whether eval.matrix asks for row 0.
  bool wants_base() const { return recipe_.matrix == "full" || recipe_.matrix == "diagonal"; }

  // A learner that was added has the scores of "fast" so far.
  void begin_learners();
  // The scores of a checkpoint; returns the number of tasks that it knows. Throws Error(kUsage)
  // unless they are the first of the configuration's, measured as they were.
  size_t restore(ScoreBook scores);
  // Tasks from `first` on, which are new to a run that goes on: first row 0, while the run is as
  // training began, then row `row`, as it is after `row` tasks; none where it stands in the midst of
  // one, whose row is scored when it ends. Throws Error(kInterrupted) where the observer stops it.
  void evaluate_base(size_t first);
  void evaluate_untaught(size_t first, std::optional<int64_t> row);

  const ScoreBook& scores() const { return scores_; }
  size_t tasks() const { return tasks_.size(); }
  // eval.references: each task's score in a run of its own, for intransigence; empty: none given.
  const std::vector<Score>& references() const { return references_; }

 private:
  void stop_if_requested() const;
  std::vector<Score> read_references() const;
  void add_references(std::vector<Score>& scores, const std::string& run) const;
  std::vector<ScoredRows> evaluate_task(int64_t row, size_t column);
  std::vector<TaskScore> evaluate_learners(const std::vector<std::string>& learners,
                                           std::span<const Answerer> answerers, int64_t row,
                                           size_t column);
  void probe(int64_t row);
  void keep_rows(int64_t row, bool whole, const std::vector<ScoredRows>& found) const;
  void tell(int64_t row) const;

  const Recipe& recipe_;
  Method& method_;
  Run& run_;
  Workbench& bench_;
  const RunFolder& folder_;
  TrainingObserver& observer_;
  std::vector<TaskEval> tasks_;
  std::vector<std::string> constant_;  // of each task, where the method answers constantly
  Evaluator evaluator_;
  Probes probes_;
  ScoreBook scores_;
  std::vector<Score> references_;
};

}  // namespace ilora
