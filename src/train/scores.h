// The score matrix of every learner of a run, and what results.json says of it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/continual_metrics.h"

namespace ilora {

class ScoreBook {
 public:
  // Tasks in the order they are learned, with the name of each one's measure. Adding tasks later
  // keeps what is there.
  void set_tasks(std::vector<std::string> tasks, std::vector<std::string> measures);

  // The score of `learner` on task `column` after `row` tasks (0: before training).
  void set(const std::string& learner, size_t row, size_t column, double score);
  std::optional<double> get(const std::string& learner, size_t row, size_t column) const;
  // A learner that begins now has the scores of `from` so far.
  void begin_learner(const std::string& learner, const std::string& from);
  // Nothing was trained since row `from`: row `to` repeats it.
  void repeat_row(size_t from, size_t to);

  // A probe of general ability (eval/probe.h) after `row` tasks.
  void set_probe(const std::string& name, const std::string& measure, size_t row, double value);

  ScoreMatrix matrix(const std::string& learner) const;
  const std::vector<std::string>& tasks() const { return tasks_; }
  const std::vector<std::string>& measures() const { return measures_; }

  // The "tasks", "measures", "scores", "scores_by", "metrics" and (where there are any) "probes" of
  // results.json.
  Json results(const std::string& deployed,
               const std::vector<std::optional<double>>& references) const;
  Json to_json() const;
  void from_json(const Json& json);

 private:
  std::vector<std::string> tasks_, measures_;
  std::map<std::string, ScoreMatrix> by_learner_;
  struct Probe {
    std::string name, measure;
    std::vector<std::optional<double>> values;  // T+1
  };
  std::vector<Probe> probes_;
  Json probes_json() const;
};

}  // namespace ilora
