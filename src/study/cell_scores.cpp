#include "study/cell_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "base/json.h"

namespace ilora {
namespace {

void read_rows(FinishedCell& finished, const std::filesystem::path& file) {
  const std::vector<std::string>& tasks = finished.run.tasks;
  std::ifstream stream(file);
  int64_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    const std::string where = fmt::format("{}, line {}", file.string(), ++number);
    const Json json = parse_json(line, where);
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
                              e.what(), where));
    }
  }
}

}  // namespace

FinishedCell read_finished(const Cell& cell) {
  FinishedCell finished{&cell, report::read_results(cell.folder), {}, {}};
  for (const std::string& learner : report::learners_of(finished.run))
    finished.learners[learner].scores = report::scores_of(finished.run, learner);
  finished.learners[finished.run.deployed].scores = finished.run.scores;
  read_rows(finished, cell.folder / "rows.jsonl");
  // Where nothing was trained, a task right after its turn is what it was before.
  if (finished.run.timing.train_tokens == 0)
    for (auto& [name, learner] : finished.learners) learner.learned = learner.last;
  return finished;
}

}  // namespace ilora
