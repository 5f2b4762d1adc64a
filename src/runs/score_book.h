// The score matrix of every learner of a run as it is filled, task by task (train/scoring.cpp).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runs/results.h"

namespace ilora {

class ScoreBook {
 public:
  // Tasks in the order they are learned, with the name of each one's measure. Adding tasks later
  // keeps what is there.
  void set_tasks(std::vector<std::string> tasks, std::vector<std::string> measures);

  // The score of `learner` on task `column` after `row` tasks (0: before training).
  void set(const std::string& learner, size_t row, size_t column, double score);
  Score get(const std::string& learner, size_t row, size_t column) const;
  // A learner that begins now has the scores of `from` so far.
  void begin_learner(const std::string& learner, const std::string& from);
  // Nothing was trained since row `from`: row `to` repeats it.
  void repeat_row(size_t from, size_t to);

  // A probe of general ability (eval/probe.h) after `row` tasks.
  void set_probe(const std::string& name, const std::string& measure, size_t row, double value);

  ScoreMatrix matrix(const std::string& learner) const;
  const std::vector<std::string>& tasks() const { return tasks_; }
  const std::vector<std::string>& measures() const { return measures_; }

  // Fills in what results.json says of all this. `references`: as of continual_metrics().
  void tell(Results& results, const std::string& deployed,
            const std::vector<Score>& references) const;

  std::string problem() const;  // (schema.h)
  // Its whole state, for the checkpoint.
  static void visit(auto& keys, auto& self) {
    keys.required("tasks", self.tasks_);
    keys.required("measures", self.measures_);
    keys.required("learners", self.by_learner_);
    keys.value("probes", self.probes_);
  }

 private:
  std::vector<std::string> tasks_, measures_;
  std::map<std::string, ScoreMatrix> by_learner_;
  std::vector<ProbeScores> probes_;
};

}  // namespace ilora
