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

BudgetProbe probe_with(Evaluator& evaluator, TaskEval task, double budget, bool sample) {
  const std::string name = task.name;
  return {name,
          [&evaluator, task = std::move(task)](const Answerer& answerer) {
            return evaluator.evaluate(task, answerer).rows;
          },
          budget, sample};
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
  change.p = interval.p;
  return change;
}

bool exceeds(const TaskChange& change, const BudgetProbe& probe, const BudgetOptions& options) {
  constexpr double kRounding = 1e-9;  // of a mean of scores
  const double least = -probe.budget - kRounding;
  if (options.strict) return change.low < least;
  constexpr double kOneSided = 0.1;  // of the two-sided p: 95 % that it is a loss
  return change.after - change.before < least && (!probe.sample || change.p <= kOneSided);
}

namespace {

// A state on the way, judged.
Verdict judge_point(Evaluator& evaluator, const Answerer& answerer,
                    const std::vector<BudgetProbe>& probes,
                    const std::vector<std::vector<RowScore>>& references, const TaskEval& own,
                    const std::vector<RowScore>& own_before, const BudgetOptions& options) {
  Verdict verdict;
  for (size_t p = 0; p < probes.size(); ++p) {
    verdict.earlier.push_back(
        change_of(probes[p].name, references[p], probes[p].score(answerer), options));
    if (!exceeds(verdict.earlier.back(), probes[p], options)) continue;
    verdict.reason += (verdict.reason.empty() ? "" : "; ") + words_of(verdict.earlier.back());
  }
  verdict.own = change_of(own.name, own_before, evaluator.evaluate(own, answerer).rows, options);
  verdict.deploys = verdict.reason.empty();
  return verdict;
}

}  // namespace

Verdict judge(Evaluator& evaluator, Engine& engine, const std::vector<BudgetProbe>& probes,
              const TaskEval& own, const Adapter& before, const Adapter& after, Adapter& between,
              const BudgetOptions& options) {
  const Answerer old_answerer = answerer_of(engine, before);
  std::vector<std::vector<RowScore>> references;
  for (const BudgetProbe& probe : probes)
    references.push_back(probe.reference ? *probe.reference : probe.score(old_answerer));
  const std::vector<RowScore> own_before = evaluator.evaluate(own, old_answerer).rows;
  Verdict whole;  // of all of the way, whose numbers a refusal tells
  for (const double share : kShares) {
    interpolate_factors(between, before, after, share);
    Verdict verdict = judge_point(evaluator, answerer_of(engine, between), probes, references, own,
                                  own_before, options);
    verdict.share = share;
    if (share == 1) whole = verdict;
    // A part of the way has to be worth it: half of what all of it gains.
    const double gain = whole.own->after - whole.own->before;
    const bool worth = verdict.own->after - verdict.own->before >= 0.5 * gain && gain > 0;
    if (!verdict.deploys || (share < 1 && !worth)) continue;
    verdict.reason =
        share == 1 ? "nothing loses more than its budget"
                   : fmt::format("{} of the way; all of it would lose: {}", share, whole.reason);
    return verdict;
  }
  whole.reason = fmt::format("loses more than its budget: {}", whole.reason);
  return whole;
}

}  // namespace ilora
