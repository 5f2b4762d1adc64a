// The tables of a page, as HTML. Called by report.cpp.
#pragma once

#include <string>
#include <vector>

#include "report/run_data.h"

namespace ilora::report {

// A line per run, the best of each column marked; and, where a method has several runs of the same
// tasks, their mean and standard deviation.
std::string runs_table(const std::vector<RunData>& runs);
std::string seeds_table(const std::vector<RunData>& runs);
// For each run: its score matrix as a heat map, its other learners' and the probes, and its facts.
std::string matrices(const std::vector<RunData>& runs);
// The loss at the begin and end of each task: what remains of the curves without pictures.
std::string loss_tables(const std::vector<RunData>& runs);

}  // namespace ilora::report
