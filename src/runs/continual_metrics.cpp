#include "runs/continual_metrics.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "base/error.h"

namespace ilora {
namespace {

// Entries by the letters of the formulas: k = 0..T, j = 1..T.
struct Scores {
  const ScoreMatrix& rows;
  size_t tasks;
  Score at(size_t k, size_t j) const { return score_at(rows, k, j - 1); }
};

// A sum that is nullopt as soon as one of its terms is.
class Sum {
 public:
  void add(Score x) { sum_ = sum_ && x ? Score(*sum_ + *x) : std::nullopt; }
  Score over(size_t n) const {
    return sum_ && n > 0 ? Score(*sum_ / static_cast<double>(n)) : std::nullopt;
  }

 private:
  Score sum_ = 0.0;
};

Score minus(Score x, Score y) {
  return x && y ? Score(*x - *y) : std::nullopt;
}

// Of row k, over tasks 1..k.
Score average_so_far(const Scores& a, size_t k) {
  return k < a.rows.size() ? mean_score(std::span(a.rows[k]).first(k)) : std::nullopt;
}

Score average_incremental(const Scores& a) {
  Sum sum;
  for (size_t k = 1; k <= a.tasks; ++k) sum.add(average_so_far(a, k));
  return sum.over(a.tasks);
}

Score forward_transfer(const Scores& a) {
  Sum sum;
  for (size_t j = 2; j <= a.tasks; ++j) sum.add(minus(a.at(j - 1, j), a.at(0, j)));
  return sum.over(a.tasks - 1);
}

// max over l = 1..T-1 of a_{l,j}; nullopt where one of them was not evaluated.
Score best_before_last(const Scores& a, size_t j) {
  Score best = a.at(1, j);
  for (size_t l = 2; l < a.tasks; ++l) {
    const Score x = a.at(l, j);
    best = best && x ? Score(std::max(*best, *x)) : std::nullopt;
  }
  return best;
}

Score forgetting(const Scores& a) {
  Sum sum;
  for (size_t j = 1; j < a.tasks; ++j) sum.add(minus(best_before_last(a, j), a.at(a.tasks, j)));
  return sum.over(a.tasks - 1);
}

Score intransigence(const Scores& a, std::span<const Score> references) {
  if (references.empty()) return std::nullopt;
  Sum sum;
  for (size_t k = 1; k <= a.tasks; ++k) sum.add(minus(references[k - 1], a.at(k, k)));
  return sum.over(a.tasks);
}

}  // namespace

Score average_accuracy(const ScoreMatrix& scores, std::span<const size_t> tasks) {
  if (scores.empty()) return std::nullopt;
  const Scores a{scores, scores.front().size()};
  Sum sum;
  for (const size_t column : tasks) sum.add(a.at(a.tasks, column + 1));
  return sum.over(tasks.size());
}

Score backward_transfer(const ScoreMatrix& scores, std::span<const size_t> tasks) {
  if (scores.empty()) return std::nullopt;
  const Scores a{scores, scores.front().size()};
  Sum sum;
  size_t count = 0;
  for (const size_t column : tasks) {
    const size_t j = column + 1;
    if (j == a.tasks) continue;
    sum.add(minus(a.at(a.tasks, j), a.at(j, j)));
    ++count;
  }
  return sum.over(count);
}

ContinualMetrics continual_metrics(const ScoreMatrix& scores, std::span<const Score> references) {
  ContinualMetrics metrics;
  if (scores.empty() || scores.front().empty()) return metrics;
  const Scores a{scores, scores.front().size()};
  ILORA_CHECK(scores.size() <= a.tasks + 1, "{} rows for {} tasks", scores.size(), a.tasks);
  for (const auto& row : scores)
    ILORA_CHECK(row.size() == a.tasks, "a row of {} scores for {} tasks", row.size(), a.tasks);
  ILORA_CHECK(references.empty() || references.size() == a.tasks, "{} references for {} tasks",
              references.size(), a.tasks);
  std::vector<size_t> all(a.tasks);
  std::iota(all.begin(), all.end(), size_t{0});
  metrics.average_accuracy = average_accuracy(scores, all);
  metrics.average_incremental_accuracy = average_incremental(a);
  metrics.backward_transfer = backward_transfer(scores, all);
  metrics.forward_transfer = forward_transfer(a);
  metrics.forgetting = forgetting(a);
  metrics.intransigence = intransigence(a, references);
  return metrics;
}

}  // namespace ilora
