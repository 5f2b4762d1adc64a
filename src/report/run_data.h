// A run folder, read for reporting: results.json (what the run ended with) and metrics.jsonl (how
// it went).
//
// Called by all of this folder and by study/. A run folder is the interface between programs, so
// reading is tolerant: keys and events not known here are ignored, and whatever is optional may be missing.
// What must be there and is not, or is of the wrong kind, throws Error naming the file, and the
// line or key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ilora::report {

using Score = std::optional<double>;
using ScoreMatrix = std::vector<std::vector<Score>>;  // (up to T+1, T); row 0 is before training

// Scores of one learner by one measure: those of the tasks that have it.
struct OtherScores {
  std::string learner;  // "slow"
  std::string measure;  // "choice"
  ScoreMatrix scores;
};

// General ability: one figure before training and after each task.
struct Probe {
  std::string name, measure;  // "perplexity" or "accuracy"
  std::vector<Score> values;
};

struct Metrics {
  Score average_accuracy, average_incremental_accuracy, backward_transfer, forward_transfer,
      forgetting, intransigence;
};

struct Timing {
  Score train_seconds, train_tokens, tokens_per_second;
};

// One curve: a value per point of Curves::step, NaN where the run did not report it.
struct Series {
  std::string group;  // "loss", "gradient_norms" or "distance"
  std::string name;   // "loss" is the total; otherwise the term's name
  std::vector<double> values;
};

// The steps of a run. After thin(), a point is the mean of up to `steps_per_point` successive steps
// of one task.
struct Curves {
  std::vector<double> step;         // counted over the whole run; a point's last step
  std::vector<int64_t> task_index;  // 0-based
  std::vector<Series> series;
  int64_t steps_per_point = 1;

  void thin(size_t points);  // to about `points`, task by task
};

struct RunData {
  std::filesystem::path folder;
  std::string label;  // tells the runs of one report apart: method, and seed or folder where needed
  std::string method, seed, model, status;
  std::string deployed;               // the learner that is used
  std::string note;                   // where the scores need a word of explanation
  std::vector<std::string> tasks;     // in the order learned
  std::vector<std::string> measures;  // of each task
  ScoreMatrix scores;                 // deployed learner, primary measure
  std::vector<OtherScores> others;
  Metrics metrics;
  std::vector<Probe> probes;
  Timing timing;
  std::vector<std::pair<std::string, std::string>> environment;  // as the run wrote it: name, value
  Curves curves;                                                 // empty without metrics.jsonl
};

// The run's learners by name, and all that one of them scored, whatever measures its tasks have.
std::vector<std::string> learners_of(const RunData& run);
ScoreMatrix scores_of(const RunData& run, const std::string& learner);

// Throws Error(kFile) where results.json is missing, Error(kFormat) where it or a line of
// metrics.jsonl is damaged. A last line of metrics.jsonl that was cut off (the run was killed while
// writing) is ignored; steps that a resumed run went through again replace the earlier ones.
RunData read_run(const std::filesystem::path& folder);

// The same without metrics.jsonl: no curves.
RunData read_results(const std::filesystem::path& folder);

// Reads every run and gives each a label of its own. Throws Error(kUsage) where there is none.
std::vector<RunData> read_runs(const std::vector<std::filesystem::path>& folders);

}  // namespace ilora::report
