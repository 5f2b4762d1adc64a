#include "study/comparison.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "report/run_data.h"
#include "report/words.h"

namespace ilora {
namespace {

using report::RunData;

using RowScores = std::map<std::string, std::vector<double>>;  // by task; none where not written

// What a finished cell left behind.
struct Finished {
  const Cell* cell;
  RunData run;
  RowScores last, learned;  // after the last task; right after the task itself
  std::string split;
};

Finished read_finished(const Cell& cell) {
  Finished finished{&cell, report::read_results(cell.folder), {}, {}, {}};
  const std::vector<std::string>& tasks = finished.run.tasks;
  const std::filesystem::path file = cell.folder / "rows.jsonl";
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    const Json json = parse_json(line, file.string());
    try {
      const std::string task = json.at("task");
      const auto column = std::find(tasks.begin(), tasks.end(), task) - tasks.begin();
      const auto scores = json.at("scores").get<std::vector<double>>();
      finished.last[task] = scores;  // lines are in the order of evaluation
      if (json.at("after").get<int64_t>() == column + 1) finished.learned[task] = scores;
      finished.split = json.at("split");
    } catch (const Json::exception& e) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("[compare] expected task, after, split and scores, got {} ({})",
                              e.what(), file.string()));
    }
  }
  return finished;
}

using Value = std::optional<double> (*)(const RunData&);
struct Measure {
  ComparedColumn column;
  Value value;
};

const std::vector<Measure>& measures() {
  static const std::vector<Measure> list = {
      {{"average accuracy", +1, 3}, [](const RunData& r) { return r.metrics.average_accuracy; }},
      {{"backward transfer", +1, 3}, [](const RunData& r) { return r.metrics.backward_transfer; }},
      {{"forgetting", -1, 3}, [](const RunData& r) { return r.metrics.forgetting; }}};
  return list;
}
const std::vector<Measure>& costs() {
  static const std::vector<Measure> list = {
      {{"train seconds", 0, 0}, [](const RunData& r) { return r.timing.train_seconds; }},
      {{"train tokens", 0, 0}, [](const RunData& r) { return r.timing.train_tokens; }}};
  return list;
}

template <class Get>
std::optional<Spread> spread_over(const std::vector<const Finished*>& runs, Get get) {
  std::vector<double> values;
  for (const Finished* finished : runs) {
    const std::optional<double> value = get(finished->run);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values.empty() ? std::nullopt : std::optional(spread_of(values));
}

std::vector<std::optional<Spread>> values_of(const std::vector<const Finished*>& runs,
                                             const std::vector<std::string>& tasks) {
  std::vector<std::optional<Spread>> values;
  for (const Measure& m : measures()) values.push_back(spread_over(runs, m.value));
  for (const std::string& task : tasks)
    values.push_back(
        spread_over(runs, [&](const RunData& run) { return report::final_score(run, task); }));
  for (const Measure& m : costs()) values.push_back(spread_over(runs, m.value));
  return values;
}

// The best of a column as its numbers are shown; nothing is marked where all are equal.
void mark_best(Comparison& c, size_t column) {
  const ComparedColumn& what = c.columns[column];
  const double unit = std::pow(10.0, what.decimals);
  std::vector<std::optional<double>> shown;
  for (const ComparedMethod& method : c.methods) {
    const auto& value = method.values[column];
    shown.push_back(value ? std::optional(what.better * std::round(value->mean * unit))
                          : std::nullopt);
  }
  const auto highest = *std::max_element(shown.begin(), shown.end());  // none is below any number
  const bool differ =
      std::any_of(shown.begin(), shown.end(), [&](const auto& x) { return x && *x != highest; });
  for (size_t m = 0; m < c.methods.size(); ++m)
    c.methods[m].best.push_back(what.better != 0 && differ && shown[m] && shown[m] == highest);
}

// Rows of one cell, by task.
using RowsOf = std::optional<std::vector<double>> (*)(const Finished&, const std::string& task);

std::optional<std::vector<double>> find_rows(const RowScores& scores, const std::string& task) {
  const auto found = scores.find(task);
  return found == scores.end() ? std::nullopt : std::optional(found->second);
}

// What a row is worth after the last task.
std::optional<std::vector<double>> accuracy_rows(const Finished& cell, const std::string& task) {
  return find_rows(cell.last, task);
}

// What a row gained since its task was learned.
std::optional<std::vector<double>> transfer_rows(const Finished& cell, const std::string& task) {
  auto rows = find_rows(cell.last, task);
  const auto before = find_rows(cell.learned, task);
  if (!rows || !before || rows->size() != before->size()) return std::nullopt;
  for (size_t i = 0; i < rows->size(); ++i) (*rows)[i] -= (*before)[i];
  return rows;
}

using Pair = std::pair<const Finished*, const Finished*>;  // of one seed

std::vector<Pair> pair_seeds(const std::vector<const Finished*>& ours,
                             const std::vector<const Finished*>& theirs) {
  std::vector<Pair> pairs;
  for (const Finished* a : ours)
    for (const Finished* b : theirs)
      if (a->cell->seed == b->cell->seed) pairs.emplace_back(a, b);
  return pairs;
}

MethodDifference::Value difference_of(const std::vector<Pair>& pairs, RowsOf rows_of,
                                      std::span<const std::string> tasks,
                                      const BootstrapOptions& bootstrap) {
  if (pairs.empty()) return {{}, "no seed that both finished"};
  PairedDifferences paired(tasks.size());
  for (size_t t = 0; t < tasks.size(); ++t) {
    for (const auto& [ours, theirs] : pairs) {
      auto rows = rows_of(*ours, tasks[t]);
      const auto other = rows_of(*theirs, tasks[t]);
      if (!rows || !other) return {{}, "no row scores (rows.jsonl) of " + tasks[t]};
      if (rows->size() != other->size() ||
          (!paired[t].empty() && rows->size() != paired[t].front().size()))
        return {{}, "not the same rows of " + tasks[t]};
      for (size_t i = 0; i < rows->size(); ++i) (*rows)[i] -= (*other)[i];
      paired[t].push_back(std::move(*rows));
    }
  }
  return {paired_bootstrap(paired, bootstrap.resamples, bootstrap.seed), {}};
}

MethodDifference compare_methods(const std::vector<const Finished*>& ours,
                                 const std::vector<const Finished*>& theirs,
                                 const std::vector<std::string>& tasks,
                                 const BootstrapOptions& bootstrap) {
  const std::vector<Pair> pairs = pair_seeds(ours, theirs);
  MethodDifference difference{std::ssize(pairs), {}, {{}, "one task"}};
  difference.average_accuracy = difference_of(pairs, accuracy_rows, tasks, bootstrap);
  if (tasks.size() > 1)  // the last task has nothing after it
    difference.backward_transfer =
        difference_of(pairs, transfer_rows, std::span(tasks).first(tasks.size() - 1), bootstrap);
  return difference;
}

std::vector<const Finished*> of_method(const std::vector<Finished>& all,
                                       const std::string& method) {
  std::vector<const Finished*> found;
  for (const Finished& finished : all)
    if (finished.cell->method == method) found.push_back(&finished);
  return found;
}

std::vector<std::string> common_tasks(const std::vector<Finished>& all) {
  if (all.empty()) return {};
  const std::vector<std::string>& tasks = all.front().run.tasks;
  for (const Finished& finished : all) {
    if (finished.run.tasks == tasks) continue;
    throw Error(ErrorKind::kData,
                fmt::format("[compare] expected the tasks {} in every cell, got {} ({})",
                            fmt::join(tasks, ", "), fmt::join(finished.run.tasks, ", "),
                            finished.cell->folder.string()));
  }
  return tasks;
}

std::string cpu_of(const RunData& run) {
  for (const auto& [name, value] : run.environment)
    if (name == "cpu") return value;
  return {};
}

std::vector<ComparedColumn> columns_for(const std::vector<std::string>& tasks) {
  std::vector<ComparedColumn> columns;
  for (const Measure& m : measures()) columns.push_back(m.column);
  for (const std::string& task : tasks) columns.push_back({task, +1, 3, true});
  for (const Measure& m : costs()) columns.push_back(m.column);
  return columns;
}

}  // namespace

Comparison compare_cells(std::span<const Cell> cells, const std::string& against,
                         const BootstrapOptions& bootstrap) {
  Comparison c;
  c.against = against;
  c.bootstrap = bootstrap;
  std::vector<Finished> finished;
  for (const Cell& cell : cells) {
    if (c.methods.empty() || c.methods.back().method != cell.method)
      c.methods.emplace_back().method = cell.method;
    ComparedMethod& method = c.methods.back();
    const CellState state = cell.state();
    if (state == CellState::kFinished) {
      finished.push_back(read_finished(cell));
      method.seeds.push_back(cell.seed);
    } else {
      method.failures.push_back(
          {cell.seed, state == CellState::kFailed ? cell.failure() : "not run to its end yet"});
    }
  }
  const std::vector<std::string> tasks = common_tasks(finished);
  c.columns = columns_for(tasks);
  if (!finished.empty()) {
    const Finished& first = finished.front();
    c.model = first.run.model;
    c.cpu = cpu_of(first.run);
    c.split = first.split;
  }
  const auto reference = of_method(finished, against);
  for (ComparedMethod& method : c.methods) {
    const auto runs = of_method(finished, method.method);
    method.values = values_of(runs, tasks);
    if (method.method == against) continue;
    method.difference = compare_methods(runs, reference, tasks, bootstrap);
  }
  for (size_t column = 0; column < c.columns.size(); ++column) mark_best(c, column);
  return c;
}

}  // namespace ilora
