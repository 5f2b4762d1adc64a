// `ilora analyze path` in two files: analyze_path.cpp decides which paths and measures them,
// analyze_path_result.cpp tells what was found.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "analysis/path.h"
#include "cli/analyze.h"

namespace ilora {

struct PathArguments : AnalyzeOptions {
  std::string pair, learner, to_learner, to_run, from_adapter, to_adapter, export_best;
  std::string space = "factors", curve = "line";
  std::vector<std::string> old_tasks, new_tasks;
  bool all_pairs = false;
  int64_t points = 21;
  double from = -0.25, to = 1.25;
  CurveTraining training;
};

struct PathEnd {
  std::string name;
  std::filesystem::path adapter;
  std::vector<std::string> learned;  // the tasks that it knows
};

// A path to measure: its ends and which tasks count as old and new.
struct PathPlan {
  PathEnd a, b;
  std::vector<std::string> old_tasks, new_tasks;
};

struct MeasuredPath {
  PathPlan plan;
  PathSpace space = PathSpace::kFactors;
  CurveKind curve = CurveKind::kLine;
  Path path;                      // on the split asked for
  std::optional<Path> chosen_on;  // on the other split, where the best point is chosen there
  std::vector<double> bend_losses;
  std::vector<size_t> old_tasks, new_tasks, all;
  std::optional<Adapter> best;  // the best point for all tasks, where it is exported
};

std::string path_title(const MeasuredPath& path);  // "task 1 to task 2, product"
// RUN/analysis/NAME.json: sentences, every path's points, barriers and best points, figures.
Json path_result(const PathArguments& a, const std::vector<MeasuredPath>& paths,
                 const std::vector<TaskEval>& tasks);
// A row for each path, point and task.
NumberTable path_csv(const std::vector<MeasuredPath>& paths, const std::vector<TaskEval>& tasks);
std::string path_terminal(const PathArguments& a, const std::vector<MeasuredPath>& paths,
                          const std::vector<TaskEval>& tasks);

}  // namespace ilora
