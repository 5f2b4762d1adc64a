#include "study/cell_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "base/json.h"

namespace ilora {
namespace {

// A learner's matrix has each task under one measure.
void add_scores(report::ScoreMatrix& all, const report::ScoreMatrix& part) {
  all.resize(std::max(all.size(), part.size()));
  for (size_t k = 0; k < part.size(); ++k) {
    all[k].resize(part[k].size());
    for (size_t j = 0; j < part[k].size(); ++j)
      if (part[k][j]) all[k][j] = part[k][j];
  }
}

void read_rows(FinishedCell& finished, const std::filesystem::path& file) {
  const std::vector<std::string>& tasks = finished.run.tasks;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    const Json json = parse_json(line, file.string());
    try {
      const std::string task = json.at("task");
      const auto column = std::find(tasks.begin(), tasks.end(), task) - tasks.begin();
      const auto scores = json.at("scores").get<std::vector<double>>();
      LearnerScores& learner = finished.learners[json.at("learner").get<std::string>()];
      learner.last[task] = scores;  // lines are in the order of evaluation
      if (json.at("after").get<int64_t>() == column + 1) learner.learned[task] = scores;
      finished.split = json.at("split");
    } catch (const Json::exception& e) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("[compare] expected task, learner, after, split and scores, got {} "
                              "({})",
                              e.what(), file.string()));
    }
  }
}

}  // namespace

FinishedCell read_finished(const Cell& cell) {
  FinishedCell finished{&cell, report::read_results(cell.folder), {}, {}};
  for (const report::OtherScores& part : finished.run.others)
    add_scores(finished.learners[part.learner].scores, part.scores);
  finished.learners[finished.run.deployed].scores = finished.run.scores;
  read_rows(finished, cell.folder / "rows.jsonl");
  return finished;
}

}  // namespace ilora
