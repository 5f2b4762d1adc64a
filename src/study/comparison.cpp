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

// What a finished cell left behind.
struct Finished {
  const Cell* cell;
  RunData run;
  std::map<std::string, std::vector<double>> row_scores;  // by task; empty: not written
  std::string split;
};

Finished read_finished(const Cell& cell) {
  Finished finished{&cell, report::read_results(cell.folder), {}, {}};
  const std::filesystem::path file = cell.folder / "rows.jsonl";
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    const Json json = parse_json(line, file.string());
    try {
      finished.row_scores[json.at("task")] = json.at("scores").get<std::vector<double>>();
      finished.split = json.at("split");
    } catch (const Json::exception& e) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("[compare] expected task, split and scores, got {} ({})", e.what(),
                              file.string()));
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

// Row by row, over the seeds that both have; says in `missing` why that is not possible.
PairedDifferences pair_rows(const std::vector<const Finished*>& ours,
                            const std::vector<const Finished*>& theirs,
                            const std::vector<std::string>& tasks, MethodDifference& difference) {
  PairedDifferences paired(tasks.size());
  for (const Finished* a : ours) {
    const auto b = std::find_if(theirs.begin(), theirs.end(), [&](const Finished* other) {
      return other->cell->seed == a->cell->seed;
    });
    if (b == theirs.end()) continue;
    ++difference.seeds;
    for (size_t t = 0; t < tasks.size(); ++t) {
      const auto x = a->row_scores.find(tasks[t]), y = (*b)->row_scores.find(tasks[t]);
      if (x == a->row_scores.end() || y == (*b)->row_scores.end()) {
        difference.missing = "no row scores (rows.jsonl) of " + tasks[t];
        return {};
      }
      std::vector<double>& rows = paired[t].emplace_back(x->second);
      if (rows.size() != y->second.size() || rows.size() != paired[t].front().size()) {
        difference.missing = "not the same rows of " + tasks[t];
        return {};
      }
      for (size_t i = 0; i < rows.size(); ++i) rows[i] -= y->second[i];
    }
  }
  if (difference.seeds == 0) difference.missing = "no seed that both finished";
  return difference.seeds == 0 ? PairedDifferences{} : paired;
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
    MethodDifference& difference = method.difference.emplace();
    const PairedDifferences paired = pair_rows(runs, reference, tasks, difference);
    if (!paired.empty())
      difference.interval = paired_bootstrap(paired, bootstrap.resamples, bootstrap.seed);
  }
  for (size_t column = 0; column < c.columns.size(); ++column) mark_best(c, column);
  return c;
}

}  // namespace ilora
