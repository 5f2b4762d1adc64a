#include "analysis/landscape.h"

#include <limits>
#include <utility>

#include "model/prompt_pool.h"

namespace ilora {
namespace {

TaskValue value_of(const TaskScore& result, bool scores) {
  TaskValue value;
  value.loss = result.loss;
  value.score = scores ? result.score : std::numeric_limits<double>::quiet_NaN();
  for (const RowScore& row : result.rows) {
    value.row_losses.push_back(row.loss);
    if (scores) value.row_scores.push_back(row.score);
  }
  return value;
}

}  // namespace

Landscape::Landscape(Engine& engine, const Encoder& encoder, EvalOptions options,
                     std::vector<TaskEval> tasks)
    : engine_(engine), evaluator_(engine, encoder, options), tasks_(std::move(tasks)) {
  for (const TaskEval& task : tasks_) {
    if (std::string note = evaluator_.check(task); !note.empty()) notes_.push_back(std::move(note));
  }
}

Values Landscape::measure(const Adapter& adapter, bool scores) {
  const Answerer answerer = answerer_of(engine_, adapter);
  Values values;
  for (const TaskEval& task : tasks_)
    values.push_back(
        value_of(evaluator_.evaluate(task, answerer, {.score = scores, .loss = true}), scores));
  return values;
}

std::vector<Values> Landscape::measure_each(std::span<const Adapter> adapters, bool scores) {
  std::vector<Answerer> answerers;
  for (const Adapter& adapter : adapters) answerers.push_back(answerer_of(engine_, adapter));
  std::vector<Values> values(adapters.size());
  for (const TaskEval& task : tasks_) {
    const auto results = evaluator_.evaluate_each(task, answerers, {.score = scores, .loss = true});
    for (size_t i = 0; i < results.size(); ++i) values[i].push_back(value_of(results[i], scores));
  }
  return values;
}

}  // namespace ilora
