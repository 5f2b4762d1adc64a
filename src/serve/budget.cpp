#include "serve/budget.h"

#include <algorithm>

#include "analysis/interpolate.h"
#include "base/error.h"
#include "model/prompt_pool.h"
#include "study/statistics.h"

namespace ilora {
namespace {

constexpr double kShares[] = {1, 0.75, 0.5, 0.25};

double mean_of(const std::vector<RowScore>& rows) {
  double sum = 0;
  for (const RowScore& row : rows) sum += row.score;
  return rows.empty() ? 0 : sum / static_cast<double>(rows.size());
}

std::string words_of(const TaskChange& change) {
  return fmt::format("{} {:.3f} to {:.3f} ({:+.3f}, {:+.3f})", change.task, change.before,
                     change.after, change.low, change.high);
}

}  // namespace

TaskEval probe_of(TaskEval task, int64_t most) {
  const int64_t count = std::ssize(task.rows);
  if (count <= most) return task;
  std::vector<Example> picked;
  for (int64_t i = 0; i < most; ++i)
    picked.push_back(std::move(task.rows[static_cast<size_t>(i * count / most)]));
  task.rows = std::move(picked);
  return task;
}

TaskChange change_of(const std::string& task, const std::vector<RowScore>& before,
                     const std::vector<RowScore>& after, const BudgetOptions& options) {
  ILORA_CHECK(before.size() == after.size());
  TaskChange change{task, std::ssize(before), mean_of(before), mean_of(after)};
  if (before.empty()) return change;
  PairedDifferences differences(1, std::vector<std::vector<double>>(1));
  for (size_t i = 0; i < before.size(); ++i)
    differences[0][0].push_back(after[i].score - before[i].score);
  const Interval interval = paired_bootstrap(differences, options.resamples, 1);
  change.low = interval.low;
  change.high = interval.high;
  return change;
}

bool exceeds(const TaskChange& change, const BudgetOptions& options) {
  constexpr double kRounding = 1e-9;  // of a mean of scores
  return (options.strict ? change.low : change.high) < -options.budget - kRounding;
}

Verdict judge(Evaluator& evaluator, Engine& engine, const std::vector<TaskEval>& earlier,
              const TaskEval& own, const Adapter& before, const Adapter& after, Adapter& between,
              const BudgetOptions& options) {
  std::vector<std::vector<RowScore>> old_rows;
  const Answerer old_answerer = answerer_of(engine, before);
  for (const TaskEval& task : earlier)
    old_rows.push_back(evaluator.evaluate(task, old_answerer).rows);
  const std::vector<RowScore> own_rows = evaluator.evaluate(own, old_answerer).rows;
  Verdict first;  // of the whole way, whose numbers a refusal tells
  for (const double share : kShares) {
    interpolate_factors(between, before, after, share);
    const Answerer answerer = answerer_of(engine, between);
    Verdict verdict;
    verdict.share = share;
    std::string lost;
    for (size_t t = 0; t < earlier.size(); ++t) {
      verdict.earlier.push_back(change_of(earlier[t].name, old_rows[t],
                                          evaluator.evaluate(earlier[t], answerer).rows, options));
      if (exceeds(verdict.earlier.back(), options))
        lost += (lost.empty() ? "" : ", ") + words_of(verdict.earlier.back());
    }
    verdict.own = change_of(own.name, own_rows, evaluator.evaluate(own, answerer).rows, options);
    verdict.deploys = lost.empty() && (share == 1 || verdict.own->after > verdict.own->before);
    if (verdict.deploys) {
      verdict.reason =
          share == 1
              ? fmt::format("no earlier task loses more than {}", options.budget)
              : fmt::format("{} of the way keeps every earlier task within {}; all of it: {}",
                            share, options.budget, first.reason);
      return verdict;
    }
    if (share == 1) {
      verdict.reason = fmt::format("loses more than {}: {}", options.budget, lost);
      first = std::move(verdict);
    }
  }
  first.deploys = false;
  return first;
}

}  // namespace ilora
