// How a run went, step by step: its losses, gradient norms and distances as curves.
// Called by run_data.cpp, page_data.cpp and page_tables.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runs/metrics.h"

namespace ilora::report {

// One curve: a value per point of Curves::step, NaN where the run did not report it.
struct Series {
  std::string group;  // "loss", "gradient_norms" or "distance"
  std::string name;   // "loss" is the total; otherwise the term's name
  std::vector<double> values;
};

// The steps of a run. After thin(), a point is the mean of up to `steps_per_point` successive steps
// of one task.
struct Curves {
  std::vector<int64_t> step;        // counted over the whole run; a point's last step
  std::vector<int64_t> task_index;  // 0-based
  std::vector<Series> series;
  int64_t steps_per_point = 1;

  void thin(size_t points);  // to about `points`, task by task
};

Curves curves_of(const std::vector<StepEvent>& steps);

}  // namespace ilora::report
