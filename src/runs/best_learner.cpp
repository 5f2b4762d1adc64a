#include "runs/best_learner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "runs/results.h"
#include "runs/schema.h"

namespace ilora {
namespace {

constexpr double kLeast = 0.02;  // smaller leads are not worth a word

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// A learner's rows, task by task.
using TaskScores = std::map<std::string, std::vector<double>>;

double mean_over_tasks(const TaskScores& scores) {
  double sum = 0;
  for (const auto& [task, rows] : scores) sum += mean_of(rows);
  return sum / static_cast<double>(scores.size());
}

// Of the mean over tasks of the rows' differences, which are paired; rows are all that varies.
double standard_error(const TaskScores& a, const TaskScores& b) {
  double variance = 0;
  for (const auto& [task, rows] : a) {
    std::vector<double> differences;
    for (size_t i = 0; i < rows.size(); ++i) differences.push_back(rows[i] - b.at(task)[i]);
    const double mean = mean_of(differences), n = static_cast<double>(rows.size());
    double squares = 0;
    for (const double d : differences) squares += (d - mean) * (d - mean);
    if (n > 1) variance += squares / (n - 1) / n;
  }
  return std::sqrt(variance) / static_cast<double>(a.size());
}

bool same_rows(const TaskScores& a, const TaskScores& b) {
  return a.size() == b.size() && std::ranges::all_of(a, [&](const auto& task_rows) {
           const auto other = b.find(task_rows.first);
           return other != b.end() && other->second.size() == task_rows.second.size();
         });
}

}  // namespace

std::string Behind::text() const {
  return fmt::format(
      "{} answers here and scores {:.3f} on the {} learned, but {} scores {:.3f}, which is more "
      "than "
      "chance. `--learner {}` answers with that one. {}",
      deployed, deployed_score, tasks == 1 ? "task" : fmt::format("{} tasks", tasks), better,
      better_score, better,
      deployed == "slow"
          ? "A run whose ilora.half_life is smaller follows new tasks sooner; so does "
            "one with ilora.deploy_half_life."
          : "");
}

std::optional<Behind> learner_ahead(std::span<const ScoredRows> rows,
                                    const std::vector<std::string>& tasks,
                                    const std::string& deployed) {
  int64_t latest = 0;
  for (const ScoredRows& scored : rows) latest = std::max(latest, scored.after);
  std::map<std::string, TaskScores> learners;
  for (const ScoredRows& scored : rows) {
    const auto place = std::ranges::find(tasks, scored.task) - tasks.begin();
    if (scored.after != latest || place >= latest || scored.scores.empty()) continue;
    learners[scored.learner][scored.task] = scored.scores;
  }
  const auto own = learners.find(deployed);
  if (own == learners.end()) return {};
  std::optional<Behind> best;
  const double score = mean_over_tasks(own->second);
  for (const auto& [learner, scores] : learners) {
    if (learner == deployed || !same_rows(own->second, scores)) continue;
    const double other = mean_over_tasks(scores), lead = other - score;
    if (lead < kLeast || lead <= 2 * standard_error(scores, own->second)) continue;
    if (!best || other > best->better_score)
      best = Behind{deployed, learner, score, other, scores.size()};
  }
  return best;
}

std::string warning_of_learner(const RunFolder& run) {
  try {
    const auto results = read_run_file<Results>(run);
    const auto behind =
        learner_ahead(read_run_lines<ScoredRows>(run), results.tasks, results.deployed);
    return behind ? behind->text() : "";
  } catch (const Error& e) {
    return fmt::format("whether another learner is better is not known: {}", e.what());
  }
}

}  // namespace ilora
