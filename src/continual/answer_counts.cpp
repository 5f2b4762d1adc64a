#include "continual/answer_counts.h"

#include <algorithm>

#include "continual/memory.h"

namespace ilora {

void AnswerCounts::add(const Row& row) {
  ++rows;
  if (one_stratum()) return;
  ++answers[answer_key(row)];
}

uint64_t AnswerCounts::stratum(const Row& row) const {
  return one_stratum() ? 0 : answer_key(row);
}

std::vector<float> TaskAnswers::weights(std::span<const Row* const> draw,
                                        const std::vector<Row>& memory) const {
  constexpr double kMost = 3;  // a single row shall not stand for many
  std::map<int32_t, std::map<uint64_t, int64_t>> kept;
  std::map<int32_t, int64_t> kept_rows;
  for (const Row& row : memory) {
    ++kept[row.task][of(row.task).stratum(row)];
    ++kept_rows[row.task];
  }
  std::vector<double> each;
  std::map<int32_t, double> sum, drawn;
  for (const Row* row : draw) {
    const AnswerCounts& shown = of(row->task);
    const uint64_t answer = shown.stratum(*row);
    const double in_task = static_cast<double>(shown.of(answer)) / static_cast<double>(shown.rows);
    const double in_memory = static_cast<double>(kept[row->task].at(answer)) /
                             static_cast<double>(kept_rows.at(row->task));
    each.push_back(std::clamp(in_task / in_memory, 1 / kMost, kMost));
    sum[row->task] += each.back();
    ++drawn[row->task];
  }
  std::vector<float> weights;
  for (size_t i = 0; i < draw.size(); ++i) {
    const int32_t task = draw[i]->task;
    weights.push_back(static_cast<float>(each[i] * drawn.at(task) / sum.at(task)));
  }
  return weights;
}

void TaskAnswers::visit(StateVisitor& visitor, const std::string& name) {
  // For each task: task, rows, number of answers; each answer and its rows.
  std::vector<int64_t> list;
  for (const auto& [task, shown] : tasks_) {
    list.insert(list.end(), {task, shown.rows, static_cast<int64_t>(shown.answers.size())});
    for (const auto& [answer, rows] : shown.answers)
      list.insert(list.end(), {static_cast<int64_t>(answer), rows});
  }
  visit_list(visitor, name, list);
  tasks_.clear();
  for (size_t i = 0; i < list.size();) {
    AnswerCounts& shown = tasks_[static_cast<int32_t>(list.at(i))];
    shown.rows = list.at(i + 1);
    const auto end = i + 3 + 2 * static_cast<size_t>(list.at(i + 2));
    for (i += 3; i < end; i += 2) shown.answers[static_cast<uint64_t>(list.at(i))] = list.at(i + 1);
  }
}

}  // namespace ilora
