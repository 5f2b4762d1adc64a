// How often each answer stands in a task's training rows, for what keeps or weighs rows by their
// answers: the policy `stratified` and METHOD.reweigh.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "continual/state.h"
#include "model/row.h"

namespace ilora {

// The rows of one task that were shown, by their answer. A task with more than kMostAnswers
// different answers (numbers, free text) is one stratum.
struct AnswerCounts {
  static constexpr size_t kMostAnswers = 20;  // as many as a task is taken for one of choices with

  int64_t rows = 0;
  std::map<uint64_t, int64_t> answers;  // rows of each answer_key; not kept up beyond kMostAnswers

  void add(const Row& row);
  bool one_stratum() const { return answers.size() > kMostAnswers; }
  uint64_t stratum(const Row& row) const;
  int64_t of(uint64_t stratum) const { return one_stratum() ? rows : answers.at(stratum); }
};

// Of each task.
class TaskAnswers {
 public:
  void add(const Row& row) { tasks_[row.task].add(row); }
  const AnswerCounts& of(int32_t task) const { return tasks_.at(task); }

  // Post-stratification (Holt and Smith 1979, "Post stratification"): a weight for each row of a
  // draw from `memory`, which was shown the rows that were added here. A row of answer y of task s
  // weighs
  //
  //   clip((n_s(y) / n_s) / (k_s(y) / |M_s|), 1/3, 3)
  //
  // with n of the rows added and k of those the memory has, divided by the mean over the draw's rows
  // of s: then answers weigh what their shares of the task are, whatever the memory has of them.
  std::vector<float> weights(std::span<const Row* const> draw,
                             const std::vector<Row>& memory) const;

  void visit(StateVisitor& visitor, const std::string& name);

 private:
  std::map<int32_t, AnswerCounts> tasks_;
};

}  // namespace ilora
