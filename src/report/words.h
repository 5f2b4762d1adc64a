// What a report says in words, and what it compares: plain text, not yet escaped for HTML.
//
// Called by report.cpp, page_tables.cpp, page_data.cpp and table.cpp.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "report/run_data.h"

namespace ilora::report {

// Every task of the runs, in the order of their first appearance.
std::vector<std::string> all_tasks(const std::vector<RunData>& runs);

// The runs of each method, in the order of their first appearance.
struct MethodRuns {
  std::string method;
  std::vector<const RunData*> runs;
};
std::vector<MethodRuns> by_method(const std::vector<RunData>& runs);

Score final_score(const RunData& run, const std::string& task);

// Whether averages may be compared: the same set of tasks in every run.
bool same_tasks(const std::vector<RunData>& runs);

// One column of the table of runs.
struct Column {
  std::string name;
  std::function<Score(const RunData&)> value;
  std::function<std::string(double)> show;
  int better = 0;  // +1: higher is better, -1: lower is better
};
const std::vector<Column>& columns();

// The runs whose value, as shown, is the best of several different ones; empty where no comparison
// is fair.
std::vector<bool> best_of(const std::vector<RunData>& runs, const Column& column);

std::string signed_number(double value);  // "+0.021", "−0.104", with a real minus sign
std::string duration(double seconds);     // "48 s", "3 min 20 s", "2 h 05 min"
std::string title(const std::vector<RunData>& runs);
std::vector<std::string> summary(const std::vector<RunData>& runs);  // sentences

}  // namespace ilora::report
