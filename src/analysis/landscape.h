// Tasks ready to be measured under any adapter: what every analysis asks of the model.
//
// Called by path.cpp, `ilora analyze path` and `ilora analyze plane`.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "eval/evaluator.h"

namespace ilora {

// One task under one adapter.
struct TaskValue {
  double loss = 0;   // mean over rows of -log p(answer, end) per token of it
  double score = 0;  // by the task's measure, 0..1; NaN where it was not asked for
  std::vector<double> row_losses, row_scores;
};
using Values = std::vector<TaskValue>;  // per task

class Landscape {
 public:
  // Engine and encoder outlive it.
  Landscape(Engine& engine, const Encoder& encoder, EvalOptions options,
            std::vector<TaskEval> tasks);

  const std::vector<TaskEval>& tasks() const { return tasks_; }
  // What is to be told of them, task by task (Evaluator::check).
  const std::vector<std::string>& notes() const { return notes_; }
  Engine& engine() const { return engine_; }

  // Each adapter by itself: what an evaluation of a checkpoint gives, to the bit.
  Values measure(const Adapter& adapter, bool scores = true);
  // Many together, which share the products with base weights; [adapter][task]. Equal to the above
  // but for the rounding of products of another number of rows.
  std::vector<Values> measure_each(std::span<const Adapter> adapters, bool scores = true);

 private:
  Engine& engine_;
  Evaluator evaluator_;
  std::vector<TaskEval> tasks_;
  std::vector<std::string> notes_;
};

}  // namespace ilora
