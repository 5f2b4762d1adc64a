// Whether the learner that a run deploys is the best of those it scored. Read from rows.jsonl by
// `train`, `generate` and the report, so that all say the same.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runs/rows.h"
#include "runs/run_folder.h"

namespace ilora {

// A learner that does better than the deployed one on the tasks learned so far.
struct Behind {
  std::string deployed, better;                 // learners
  double deployed_score = 0, better_score = 0;  // means over tasks of the mean over rows
  size_t tasks = 0;

  // One sentence, and what to do.
  std::string text() const;
};

// Of the latest evaluation in `rows`, over its tasks that are learned (the first ones of `tasks`, in
// the order learned): the best other learner, where it is ahead by at least 0.02 and by more than two
// standard errors of the mean over tasks of the rows' differences; none where no learner is.
std::optional<Behind> learner_ahead(std::span<const ScoredRows> rows,
                                    const std::vector<std::string>& tasks,
                                    const std::string& deployed);
// What is to be said of a run whose deployed learner answers; empty: nothing. Rows that cannot be read
// are no reason not to answer: then it says so.
std::string warning_of_learner(const RunFolder& run);

}  // namespace ilora
