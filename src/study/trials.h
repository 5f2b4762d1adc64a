// What a sweep tried, and which trial is the best. Called by `ilora sweep` and, for the latter,
// by `ilora compare`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "study/grid.h"
#include "study/search.h"

namespace ilora {

struct Trial {
  SearchPoint point;
  std::vector<Cell> cells;  // one per seed

  // Mean over the seeds of the average accuracy after the last task; none where one of them has
  // none.
  std::optional<double> score() const;
  std::string failure() const;  // the first cell's that failed
  std::string name() const;     // its settings: "train.learning_rate=1e-3, train.epochs=2"
};

struct MethodTrials {
  std::string method;
  std::vector<Trial> trials;

  // The index of the highest score, the earliest of equals; none where no trial has one.
  std::optional<size_t> best() const;
};

// The trials' cells, each trial under a name of its own in the place of the method, so that
// comparison.h sets trials side by side.
std::vector<Cell> cells_by_trial(const std::vector<MethodTrials>& methods);

// What was tried, in what order, and what is chosen.
std::string trials_markdown(const std::vector<MethodTrials>& methods, const std::string& command);
void write_trials_json(const std::filesystem::path& file, const std::vector<MethodTrials>& methods,
                       const std::string& command);
// The trials of the sweep in `folder` (its trials.json), their cells where the sweep put them: what
// they scored is read from the cells. Throws Error(kFile) or Error(kFormat) where the file cannot
// be read.
std::vector<MethodTrials> read_trials(const std::filesystem::path& folder);
// The folder of a trial's cell; trials count from 0.
std::filesystem::path trial_folder(const std::filesystem::path& sweep, const std::string& method,
                                   size_t trial, int64_t seed);
// The settings that the sweep in `folder` (its trials.json) chose for a method; none where it has
// none. Throws Error(kFile) or Error(kFormat) where the file cannot be read.
std::optional<SearchPoint> chosen_point(const std::filesystem::path& folder,
                                        const std::string& method);

}  // namespace ilora
