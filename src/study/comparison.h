// The finished cells of a grid, side by side: what each method scored over its seeds, and how far
// it is from a chosen one. Called by `ilora compare` and `ilora sweep`. tables.h writes it for
// people, comparison_data.h for programs.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runs/spread.h"
#include "study/grid.h"
#include "study/statistics.h"

namespace ilora {

struct ComparedColumn {
  std::string name;
  int better = 0;     // +1: higher is better, -1: lower, 0: neither, nothing is marked
  int decimals = 3;   // as shown
  bool task = false;  // a task's final score
};

// Against the method of Comparison::against, over the seeds that both finished.
struct MethodDifference {
  struct Value {
    std::optional<Interval> interval;
    std::string missing;  // why there is no interval
  };
  int64_t seeds = 0;
  Value average_accuracy, backward_transfer;
};

struct ComparedMethod {
  struct Failure {
    int64_t seed;
    std::string error;
  };

  std::string method;
  std::string learner;         // empty: the one that the method deploys
  std::vector<int64_t> seeds;  // finished
  std::vector<Failure> failures;
  std::vector<std::optional<Spread>> values;   // of each column; none where a run lacks it
  std::vector<bool> best;                      // of each column: the best as shown
  std::optional<MethodDifference> difference;  // none for the chosen method itself

  std::string name() const;  // "ilora", "ilora (fast)"
};

struct BootstrapOptions {
  int64_t resamples = 10000;
  uint64_t seed = 1;
};

struct Comparison {
  std::string against;
  BootstrapOptions bootstrap;
  std::string model, cpu, split;   // of the first finished cell
  std::vector<std::string> tasks;  // compared on, in the order learned
  size_t tasks_learned = 0;        // of which those are a part
  // Those of `tasks` on which `one` is above `constant` beyond noise (the interval of their difference),
  // in their order: what "share retained" is about. None where either is not among the methods.
  std::optional<std::vector<std::string>> taught;
  std::vector<ComparedColumn> columns;
  std::vector<ComparedMethod> methods;  // as the cells have them
};

// Cells of one method follow one another. `against` is one of the methods. A method with several
// learners (`ilora`: slow and fast) has an entry for each, the deployed one first. With `tasks`
// only those of the run's tasks count. Throws Error(kFormat) for files that are damaged,
// Error(kData) where cells were not trained on the same tasks, Error(kUsage) for a task that is not
// theirs.
Comparison compare_cells(std::span<const Cell> cells, const std::string& against,
                         const BootstrapOptions& bootstrap,
                         const std::vector<std::string>& tasks = {});

}  // namespace ilora
