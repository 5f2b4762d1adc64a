#include "runs/results.h"

#include <fmt/format.h>

#include <algorithm>

namespace ilora {
namespace {

// What a matrix under a key has to be for so many tasks; empty where it is that.
std::string matrix_problem(const std::string& key, const ScoreMatrix& scores, size_t tasks) {
  if (scores.size() > tasks + 1)
    return fmt::format("\"{}\" to have at most {} rows for {} tasks, got {}", key, tasks + 1, tasks,
                       scores.size());
  for (size_t k = 0; k < scores.size(); ++k) {
    if (scores[k].size() != tasks)
      return fmt::format("\"{}[{}]\" to hold {} scores, got {}", key, k, tasks, scores[k].size());
  }
  return {};
}

}  // namespace

std::string Results::problem() const {
  if (tasks.empty()) return "\"tasks\" to name at least one task, got none";
  if (!measures.empty() && measures.size() != tasks.size())
    return fmt::format("\"measures\" to hold one for each of {} tasks, got {}", tasks.size(),
                       measures.size());
  std::string problem = matrix_problem("scores", scores, tasks.size());
  for (const auto& [learner, by_measure] : scores_by) {
    for (const auto& [measure, part] : by_measure) {
      if (!problem.empty()) return problem;
      problem =
          matrix_problem(fmt::format("scores_by.{}.{}", learner, measure), part, tasks.size());
    }
  }
  return problem;
}

std::optional<size_t> Results::column(const std::string& task) const {
  const auto found = std::ranges::find(tasks, task);
  if (found == tasks.end()) return std::nullopt;
  return static_cast<size_t>(found - tasks.begin());
}

std::string Results::measure(size_t column) const {
  return measures.empty() ? std::string() : measures.at(column);
}

std::vector<std::string> Results::learners() const {
  std::vector<std::string> names;
  for (const auto& [learner, by_measure] : scores_by) names.push_back(learner);
  return names;
}

ScoreMatrix Results::scores_of(const std::string& learner) const {
  if (learner == deployed) return scores;
  ScoreMatrix all;
  if (const auto found = scores_by.find(learner); found != scores_by.end())
    for (const auto& [measure, part] : found->second) add_part(all, part);
  return all;
}

}  // namespace ilora
