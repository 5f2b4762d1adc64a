// READ THIRD. The loop: for each task, for each step, plan -> losses and gradient -> edit -> clip
// -> optimiser -> after_update; then evaluate, checkpoint. The trainer owns it; methods fill the
// hooks (continual/method.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/comm.h"
#include "continual/method.h"
#include "data/task.h"
#include "runs/metrics.h"
#include "runs/own_files.h"
#include "runs/run_folder.h"
#include "train/checkpoint.h"
#include "train/observer.h"
#include "train/optimizer.h"
#include "train/recipe.h"
#include "train/scoring.h"
#include "train/step.h"
#include "train/workbench.h"

namespace ilora {

class Trainer {
 public:
  // Encodes the tasks and prepares the first learner. Everything outlives the trainer. Without an
  // observer nobody watches the run, and nothing stops it.
  Trainer(const Recipe& recipe, const OptionList& options, Method& method, Workbench& bench,
          const std::vector<TaskText>& tasks, TrainingObserver* observer = nullptr);

  // Goes on where the run's last checkpoint stands; more tasks than it knew are learned after those
  // (--continue). Throws Error(kData) where the model, the rows it trains on or an option that
  // counts have changed since, unless that is accepted; then it is recorded.
  void restore(bool accept_changes = false);
  // Trains what is left, evaluates, writes the run folder. Throws Error(kInterrupted) where the
  // observer stops it, with a checkpoint written (none before the base model is scored);
  // Error(kNumeric) naming step, task and rows where a loss is not finite.
  void run();

  const ScoreBook& scores() const { return scoring_.scores(); }

 private:
  void require_room_for_prompts(int64_t context) const;  // throws Error(kUsage)
  void learn_task();
  void end_task();
  void step(const std::vector<const Row*>& rows);
  std::vector<const Row*> batch(int64_t task_step) const;
  void record(const Step& step, Figures norms, double rate, double seconds);
  Figures term_gradient_norms(const Step& step);

  void evaluate(int64_t row);
  [[noreturn]] void stop(const std::string& where) const;  // as the observer asked
  void save();
  void require_folder() const;
  StateReader open_state();
  void require_position() const;
  void save_adapters();
  void compare_sources(const MadeFrom& before, bool learns_more, bool accept_changes);
  void visit(StateVisitor& visitor);
  void write_results(const std::string& status) const;
  const StreamTask& current() const { return stream_[static_cast<size_t>(run_.position.task)]; }
  bool trains() const { return stream_.front().steps > 0; }
  // Whether the base model is scored: where eval.matrix asks for row 0, and where nothing is
  // trained, because all rows repeat that one then.
  bool scores_base() const { return scoring_.wants_base() || !trains(); }
  int64_t steps_per_epoch(const StreamTask& task) const;

  const Recipe& recipe_;
  const OptionList& options_;
  Method& method_;
  Workbench& bench_;
  TrainingObserver nobody_;
  TrainingObserver& observer_;
  RunFolder folder_;
  Comm comm_;
  std::vector<std::vector<Row>> train_rows_;
  TaskStream stream_;
  Run run_;
  Optimizer optimizer_;
  Scoring scoring_;
  OwnFiles own_files_{folder_};
  MadeFrom made_from_;
  double train_seconds_ = 0;
  int64_t train_tokens_ = 0;
  bool last_state_whole_ = true;  // what lies in its place may be kept beside a new one
  int64_t rows_scored_ = 0;       // the latest row of the score matrix that was asked for, plus one
};

}  // namespace ilora
