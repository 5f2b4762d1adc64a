// What is found in a task's rows, in words. Filled by task_check.cpp and wording.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/task.h"

namespace ilora {

struct Finding {
  bool error = false;  // an error must be mended; other findings are worth knowing
  std::string text;    // one line
};

// Where rows come from, in findings: "x.csv:12"; without it, their place in the task's files.
using RowPlaces = std::map<Split, std::vector<std::string>>;

// Gathers rows with the same problem into one finding.
class FoundRows {
 public:
  explicit FoundRows(const RowPlaces& places) : places_(places) {}

  void add(Split split, const Example& row, size_t place, const std::string& detail = {});
  // "3 answers hold no number (train.json row 4, …)"; nothing where there are none.
  void report(std::vector<Finding>& findings, bool error, const std::string& what) const;

 private:
  const RowPlaces& places_;
  size_t count_ = 0;
  std::vector<std::string> shown_;  // the first few
};

// visit(split, row, its place) for all rows of a task.
template <class Visit>
void each_row(const TaskText& task, const Visit& visit) {
  for (const Split split : {Split::kTrain, Split::kEval, Split::kTest}) {
    const std::vector<Example>& rows = task.split(split);
    for (size_t i = 0; i < rows.size(); ++i) visit(split, rows[i], i);
  }
}

}  // namespace ilora
