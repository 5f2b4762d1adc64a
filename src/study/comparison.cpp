#include "study/comparison.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "study/cell_scores.h"

namespace ilora {
namespace {

// One learner in one cell.
struct View {
  const FinishedCell* cell;
  const LearnerScores* learner;
};

// A task that a fresh adapter learns from its rows: final scores of `one` and of `constant`, means
// over the seeds.
struct TaughtTask {
  size_t column;
  double one, constant;
};

// What all of a comparison's columns and intervals are about.
struct Scope {
  const std::vector<std::string>& learned;  // the runs' tasks, in order
  std::vector<size_t> columns;              // those compared on
  std::vector<TaughtTask> taught{};         // of these
};

using Value = Score (*)(const View&, const Scope&);
struct Summary {
  ComparedColumn column;
  Value value;
};

Score final_score(const View& view, const Scope& scope, size_t column) {
  return score_at(view.learner->scores, scope.learned.size(), column);
}

Score average_accuracy(const View& view, const Scope& scope) {
  return ilora::average_accuracy(view.learner->scores, scope.columns);
}

Score backward_transfer(const View& view, const Scope& scope) {
  return ilora::backward_transfer(view.learner->scores, scope.columns);
}

// The last task learned has nothing after it.
std::vector<size_t> with_later_tasks(const Scope& scope) {
  std::vector<size_t> columns = scope.columns;
  std::erase(columns, scope.learned.size() - 1);
  return columns;
}

// The mean of `value` over columns; none where there is no column, or no value of one.
template <class F>
Score mean_over(const std::vector<size_t>& columns, const F& value) {
  double sum = 0;
  for (const size_t column : columns) {
    const Score one = value(column);
    if (!one) return std::nullopt;
    sum += *one;
  }
  return columns.empty() ? Score() : sum / static_cast<double>(columns.size());
}

Score old_tasks(const View& view, const Scope& scope) {
  return mean_over(with_later_tasks(scope),
                   [&](size_t column) { return final_score(view, scope, column); });
}

// What is left in the end of what the learner that trains had right after each task. A learner that
// lags gains by catching up in its own backward transfer, and not here.
Score transfer_from_trained(const View& view, const Scope& scope) {
  const auto trained = view.cell->learners.find("fast");
  if (trained == view.cell->learners.end() || !backward_transfer(view, scope)) return std::nullopt;
  return mean_over(with_later_tasks(scope), [&](size_t column) -> Score {
    const Score last = final_score(view, scope, column);
    const Score learned = score_at(trained->second.scores, column + 1, column);
    const bool trains = view.cell->run.timing.train_tokens != 0;
    if (!last || (trains && !learned)) return std::nullopt;
    return trains ? *last - *learned : 0.0;
  });
}

// Of what a fresh adapter gains over a constant answer, on the tasks where it gains.
Score share_retained(const View& view, const Scope& scope) {
  double sum = 0;
  for (const TaughtTask& task : scope.taught) {
    const Score last = final_score(view, scope, task.column);
    if (!last) return std::nullopt;
    sum += (*last - task.constant) / (task.one - task.constant);
  }
  return scope.taught.empty() ? Score() : sum / static_cast<double>(scope.taught.size());
}

// Of all tasks, as the run wrote it for the learner that it deploys.
Score forgetting(const View& view, const Scope& scope) {
  const Results& run = view.cell->run;
  const bool whole = scope.columns.size() == scope.learned.size();
  const bool deployed = view.learner == &view.cell->learners.at(run.deployed);
  return whole && deployed ? run.metrics.forgetting : std::nullopt;
}

constexpr const char *kBackwardTransfer = "backward transfer",
                     *kTransferFromTrained = "transfer from trained";

const std::vector<Summary>& summaries() {
  static const std::vector<Summary> list = {{{"average accuracy", +1, 3}, average_accuracy},
                                            {{"old tasks", +1, 3}, old_tasks},
                                            {{"share retained", +1, 3}, share_retained},
                                            {{kBackwardTransfer, +1, 3}, backward_transfer},
                                            {{kTransferFromTrained, +1, 3}, transfer_from_trained},
                                            {{"forgetting", -1, 3}, forgetting}};
  return list;
}
const std::vector<Summary>& costs() {
  static const std::vector<Summary> list = {
      {{"train seconds", 0, 0},
       [](const View& v, const Scope&) { return v.cell->run.timing.train_seconds; }},
      {{"train tokens", 0, 0},
       [](const View& v, const Scope&) -> Score { return v.cell->run.timing.train_tokens; }}};
  return list;
}

std::vector<std::optional<Spread>> values_of(const std::vector<View>& runs, const Scope& scope) {
  std::vector<std::optional<Spread>> values;
  const auto add = [&](const Summary& m) {
    values.push_back(spread_of(runs, [&](const View& view) { return m.value(view, scope); }));
  };
  for (const Summary& m : summaries()) add(m);
  for (const size_t column : scope.columns)
    values.push_back(
        spread_of(runs, [&](const View& view) { return final_score(view, scope, column); }));
  for (const Summary& m : costs()) add(m);
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

// A learner's rows of a task.
using RowsOf = std::optional<std::vector<double>> (*)(const View&, const std::string& task);

std::optional<std::vector<double>> find_rows(const RowsByTask& scores, const std::string& task) {
  const auto found = scores.find(task);
  return found == scores.end() ? std::nullopt : std::optional(found->second);
}

// What a row is worth after the last task.
std::optional<std::vector<double>> accuracy_rows(const View& view, const std::string& task) {
  return find_rows(view.learner->last, task);
}

// What a row gained since its task was learned.
std::optional<std::vector<double>> transfer_rows(const View& view, const std::string& task) {
  auto rows = find_rows(view.learner->last, task);
  const auto before = find_rows(view.learner->learned, task);
  if (!rows || !before || rows->size() != before->size()) return std::nullopt;
  for (size_t i = 0; i < rows->size(); ++i) (*rows)[i] -= (*before)[i];
  return rows;
}

using Pair = std::pair<View, View>;  // of one seed

std::vector<Pair> pair_seeds(const std::vector<View>& ours, const std::vector<View>& theirs) {
  std::vector<Pair> pairs;
  for (const View& a : ours)
    for (const View& b : theirs)
      if (a.cell->cell->seed == b.cell->cell->seed) pairs.emplace_back(a, b);
  return pairs;
}

MethodDifference::Value difference_of(const std::vector<Pair>& pairs, RowsOf rows_of,
                                      const Scope& scope, const std::vector<size_t>& columns,
                                      const BootstrapOptions& bootstrap) {
  if (pairs.empty()) return {{}, "no seed that both finished"};
  if (columns.empty()) return {{}, "no task with later ones"};
  PairedDifferences paired(columns.size());
  for (size_t t = 0; t < columns.size(); ++t) {
    const std::string& task = scope.learned[columns[t]];
    for (const auto& [ours, theirs] : pairs) {
      auto rows = rows_of(ours, task);
      const auto other = rows_of(theirs, task);
      if (!rows || !other) return {{}, "no row scores (rows.jsonl) of " + task};
      if (rows->size() != other->size() ||
          (!paired[t].empty() && rows->size() != paired[t].front().size()))
        return {{}, "not the same rows of " + task};
      for (size_t i = 0; i < rows->size(); ++i) (*rows)[i] -= (*other)[i];
      paired[t].push_back(std::move(*rows));
    }
  }
  return {paired_bootstrap(paired, bootstrap.resamples, bootstrap.seed), {}};
}

MethodDifference::Value transfer_difference(const std::vector<Pair>& pairs, const Scope& scope,
                                            const BootstrapOptions& bootstrap) {
  const std::vector<size_t> columns = with_later_tasks(scope);
  const bool undefined = !columns.empty() && std::ranges::any_of(pairs, [&](const Pair& pair) {
    return !backward_transfer(pair.first, scope) || !backward_transfer(pair.second, scope);
  });
  if (undefined) return {{}, "no scores right after each task"};  // mtl; eval.matrix: last
  return difference_of(pairs, transfer_rows, scope, columns, bootstrap);
}

MethodDifference compare_learners(const std::vector<View>& ours, const std::vector<View>& theirs,
                                  const Scope& scope, const BootstrapOptions& bootstrap) {
  const std::vector<Pair> pairs = pair_seeds(ours, theirs);
  return {std::ssize(pairs), difference_of(pairs, accuracy_rows, scope, scope.columns, bootstrap),
          transfer_difference(pairs, scope, bootstrap)};
}

// `learner` empty: the one that each cell deploys. Cells without the learner are left out.
std::vector<View> views_of(const std::vector<FinishedCell>& all, const std::string& method,
                           const std::string& learner) {
  std::vector<View> views;
  for (const FinishedCell& finished : all) {
    if (finished.cell->method != method) continue;
    const auto found = finished.learners.find(learner.empty() ? finished.run.deployed : learner);
    if (found != finished.learners.end()) views.push_back({&finished, &found->second});
  }
  return views;
}

// The split that rows.jsonl names in the first cell that has it; empty where none has.
std::string split_of(const std::vector<FinishedCell>& all) {
  const auto found =
      std::ranges::find_if(all, [](const FinishedCell& cell) { return !cell.split.empty(); });
  return found == all.end() ? std::string() : found->split;
}

// What all cells must have in common, or their rows are not the same rows.
std::vector<std::string> common_tasks(const std::vector<FinishedCell>& all) {
  if (all.empty()) return {};
  const FinishedCell& first = all.front();
  const auto require = [](const char* what, const std::string& expected, const std::string& got,
                          const FinishedCell& cell) {
    if (got == expected) return;
    throw Error(ErrorKind::kData, fmt::format("[compare] expected the {} {} in every cell, got {} "
                                              "({})",
                                              what, expected, got, cell.cell->folder.string()));
  };
  const auto joined = [](const std::vector<std::string>& names) {
    return fmt::format("{}", fmt::join(names, ", "));
  };
  for (const FinishedCell& finished : all) {
    require("tasks", joined(first.run.tasks), joined(finished.run.tasks), finished);
    require("measures", joined(first.run.measures), joined(finished.run.measures), finished);
    require("model", first.run.model, finished.run.model, finished);
    if (!finished.split.empty()) require("split", split_of(all), finished.split, finished);
  }
  return first.run.tasks;
}

// The columns of `tasks`, in the order learned; all where none is named.
std::vector<size_t> columns_of(const std::vector<std::string>& tasks,
                               const std::vector<std::string>& learned) {
  std::vector<size_t> columns;
  for (const std::string& task : tasks.empty() ? learned : tasks) {
    const auto found = std::find(learned.begin(), learned.end(), task);
    if (found == learned.end())
      throw Error(ErrorKind::kUsage, fmt::format("[compare] expected tasks among {}, got {}",
                                                 fmt::join(learned, ", "), task));
    columns.push_back(static_cast<size_t>(found - learned.begin()));
  }
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  return columns;
}

std::vector<ComparedColumn> columns_for(const std::vector<std::string>& tasks) {
  std::vector<ComparedColumn> columns;
  for (const Summary& m : summaries()) columns.push_back(m.column);
  for (const std::string& task : tasks) columns.push_back({task, +1, 3, true});
  for (const Summary& m : costs()) columns.push_back(m.column);
  return columns;
}

// An entry for each learner that a method has beside the one it deploys, right behind the method's.
void add_other_learners(std::vector<ComparedMethod>& methods,
                        const std::vector<FinishedCell>& finished) {
  for (size_t m = 0; m < methods.size(); ++m) {
    const std::string method = methods[m].method;
    const std::vector<View> deployed = views_of(finished, method, "");
    if (deployed.empty()) continue;
    const FinishedCell& first = *deployed.front().cell;
    for (const auto& [learner, scores] : first.learners) {
      if (learner == first.run.deployed) continue;
      ComparedMethod entry;
      entry.method = method;
      entry.learner = learner;
      methods.insert(methods.begin() + static_cast<std::ptrdiff_t>(++m), std::move(entry));
    }
  }
}

// The tasks on which `one` is above `constant`: the interval of their difference is above 0. None is known
// where either is not among the cells.
std::optional<std::vector<TaughtTask>> taught_tasks(const std::vector<FinishedCell>& finished,
                                                    const Scope& scope,
                                                    const BootstrapOptions& bootstrap) {
  const std::vector<View> one = views_of(finished, "one", ""),
                          constant = views_of(finished, "constant", "");
  const std::vector<Pair> pairs = pair_seeds(one, constant);
  if (pairs.empty()) return std::nullopt;
  std::vector<TaughtTask> taught;
  for (const size_t column : scope.columns) {
    const auto mean = [&](const std::vector<View>& views) {
      return spread_of(views, [&](const View& view) { return final_score(view, scope, column); });
    };
    const auto above = mean(one), floor = mean(constant);
    const auto difference = difference_of(pairs, accuracy_rows, scope, {column}, bootstrap);
    if (above && floor && difference.interval && difference.interval->low > 0)
      taught.push_back({column, above->mean, floor->mean});
  }
  return taught;
}

size_t column_of(const Comparison& c, const char* name) {
  return static_cast<size_t>(std::ranges::find(c.columns, name, &ComparedColumn::name) -
                             c.columns.begin());
}

// Whether two columns show the same of every method.
bool same_columns(const Comparison& c, size_t a, size_t b) {
  return std::ranges::all_of(c.methods, [&](const ComparedMethod& method) {
    const auto &x = method.values[a], &y = method.values[b];
    return x.has_value() == y.has_value() && (!x || std::abs(x->mean - y->mean) < 1e-9);
  });
}

// What no method has, such as forgetting where only the last row was measured; and what says nothing
// new: without a learner that lags, the two kinds of transfer are one.
void drop_idle_columns(Comparison& c) {
  const auto drop = [&](size_t column) {
    const auto at = static_cast<std::ptrdiff_t>(column);
    c.columns.erase(c.columns.begin() + at);
    for (ComparedMethod& method : c.methods) method.values.erase(method.values.begin() + at);
  };
  const size_t trained = column_of(c, kTransferFromTrained);
  if (same_columns(c, trained, column_of(c, kBackwardTransfer))) drop(trained);
  for (size_t column = c.columns.size(); column-- > 0;) {
    const bool there = std::any_of(c.methods.begin(), c.methods.end(), [&](const auto& method) {
      return method.values[column].has_value();
    });
    if (!there && !c.columns[column].task) drop(column);
  }
}

}  // namespace

std::string ComparedMethod::name() const {
  return learner.empty() ? method : fmt::format("{} ({})", method, learner);
}

Comparison compare_cells(std::span<const Cell> cells, const std::string& against,
                         const BootstrapOptions& bootstrap, const std::vector<std::string>& tasks) {
  Comparison c;
  c.against = against;
  c.bootstrap = bootstrap;
  std::vector<FinishedCell> finished;
  for (const Cell& cell : cells) {
    if (c.methods.empty() || c.methods.back().method != cell.method)
      c.methods.emplace_back().method = cell.method;
    const CellState state = cell.state();
    if (state == CellState::kFinished) {
      finished.push_back(read_finished(cell));
    } else {
      c.methods.back().failures.push_back(
          {cell.seed, state == CellState::kFailed ? cell.failure() : "not run to its end yet"});
    }
  }
  add_other_learners(c.methods, finished);
  const std::vector<std::string> learned = common_tasks(finished);
  Scope scope{learned, columns_of(finished.empty() ? learned : tasks, learned)};
  if (const auto taught = taught_tasks(finished, scope, bootstrap)) {
    scope.taught = *taught;
    c.taught.emplace();
    for (const TaughtTask& task : *taught) c.taught->push_back(learned[task.column]);
  }
  for (const size_t column : scope.columns) c.tasks.push_back(learned[column]);
  c.tasks_learned = learned.size();
  c.columns = columns_for(c.tasks);
  if (!finished.empty()) {
    const FinishedCell& first = finished.front();
    c.model = first.run.model;
    c.cpu = first.run.environment.cpu;
    c.split = split_of(finished);
  }
  const std::vector<View> reference = views_of(finished, against, "");
  for (ComparedMethod& method : c.methods) {
    const std::vector<View> views = views_of(finished, method.method, method.learner);
    for (const View& view : views) method.seeds.push_back(view.cell->cell->seed);
    method.values = values_of(views, scope);
    if (method.method != against || !method.learner.empty())
      method.difference = compare_learners(views, reference, scope, bootstrap);
  }
  drop_idle_columns(c);
  for (size_t column = 0; column < c.columns.size(); ++column) mark_best(c, column);
  return c;
}

}  // namespace ilora
