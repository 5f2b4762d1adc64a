// What a step of each method costs, beside one of `seq`, and what the passes that it runs imply.
//
// Every method takes steps of a second task, when replay, penalties and projections are at work, on
// the same rows, in turn with `seq` in one process. A token with gradient counts 2 (forward, and
// backward without gradients of frozen weights), one without 1; soft prompts are tokens.
#pragma once

#include <functional>

#include "base/json_fwd.h"
#include "bench/subject.h"

namespace ilora {

struct MethodsBench {
  BenchSubject subject;
  std::vector<std::string> methods;  // empty: all that train
  int64_t rows = 8, tokens = 128;    // of a step; of a row, the last 16 labelled
};

struct MethodCost {
  std::string method;
  double seconds = 0;   // of a step
  double measured = 0;  // that over seq's in the same turns: the median of their ratios
  double implied = 0;   // by the passes
};

// `each` sees every method's cost as soon as it is known.
Json measure_methods(const MethodsBench& b, const std::function<void(const MethodCost&)>& each);

}  // namespace ilora
