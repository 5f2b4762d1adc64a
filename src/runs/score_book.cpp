#include "runs/score_book.h"

#include <algorithm>
#include <set>

#include "base/error.h"

namespace ilora {

void ScoreBook::set_tasks(std::vector<std::string> tasks, std::vector<std::string> measures) {
  tasks_ = std::move(tasks);
  measures_ = std::move(measures);
  for (auto& [learner, matrix] : by_learner_) {
    matrix.resize(tasks_.size() + 1);
    for (auto& row : matrix) row.resize(tasks_.size());
  }
  for (ProbeScores& probe : probes_) probe.values.resize(tasks_.size() + 1);
}

std::string ScoreBook::problem() const {
  const size_t tasks = tasks_.size();
  if (measures_.size() != tasks) return "a measure for each task";
  for (const auto& [learner, matrix] : by_learner_) {
    const auto fits = [&](const auto& row) { return row.size() == tasks; };
    if (matrix.size() != tasks + 1 || !std::ranges::all_of(matrix, fits))
      return fmt::format("a score for each task after each task (learner {})", learner);
  }
  for (const ProbeScores& probe : probes_) {
    if (probe.values.size() != tasks + 1)
      return fmt::format("a value after each task (probe {})", probe.name);
  }
  return {};
}

void ScoreBook::set_probe(const std::string& name, const std::string& measure, size_t row,
                          double value) {
  auto probe = std::ranges::find_if(
      probes_, [&](const ProbeScores& p) { return p.name == name && p.measure == measure; });
  if (probe == probes_.end()) {
    const std::vector<Score> none(tasks_.size() + 1);
    probe = probes_.insert(probes_.end(), {name, measure, none});
  }
  probe->values.at(row) = value;
}

void ScoreBook::set(const std::string& learner, size_t row, size_t column, double score) {
  ScoreMatrix& matrix = by_learner_[learner];
  if (matrix.empty()) matrix = empty_matrix(tasks_.size());
  matrix.at(row).at(column) = score;
}

Score ScoreBook::get(const std::string& learner, size_t row, size_t column) const {
  const auto found = by_learner_.find(learner);
  return found == by_learner_.end() ? std::nullopt : found->second.at(row).at(column);
}

void ScoreBook::begin_learner(const std::string& learner, const std::string& from) {
  if (!by_learner_.contains(learner) && by_learner_.contains(from))
    by_learner_[learner] = by_learner_[from];
}

void ScoreBook::repeat_row(size_t from, size_t to) {
  for (auto& [learner, matrix] : by_learner_) matrix.at(to) = matrix.at(from);
  for (ProbeScores& probe : probes_) probe.values.at(to) = probe.values.at(from);
}

ScoreMatrix ScoreBook::matrix(const std::string& learner) const {
  const auto found = by_learner_.find(learner);
  return found == by_learner_.end() ? ScoreMatrix{} : found->second;
}

void ScoreBook::tell(Results& results, const std::string& deployed,
                     const std::vector<Score>& references) const {
  results.tasks = tasks_;
  results.measures = measures_;
  results.scores = matrix(deployed);
  for (const auto& [learner, scores] : by_learner_) {
    for (const std::string& measure : std::set<std::string>(measures_.begin(), measures_.end()))
      results.scores_by[learner][measure] = part_of(scores, measures_, measure);
  }
  results.metrics = continual_metrics(results.scores, references);
  results.probes = probes_;
}

}  // namespace ilora
