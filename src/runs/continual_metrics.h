// Measures of continual learning from a score matrix: what a run ends with, what it forgot, what
// helped.
//
// Called by score_book.cpp after every task, by study/comparison.cpp for some of the tasks and by
// report/.
//
// Notation: T tasks j = 1..T, learned in this order; a_{k,j} is the score on task j after learning
// task k; row 0 is the score before training, b_j = a_{0,j}. Scores are "higher is better", usually
// 0..1. Sources: Lopez-Paz and Ranzato 2017 (backward and forward transfer), Chaudhry et al. 2018
// (forgetting, intransigence).
#pragma once

#include <span>

#include "runs/score_matrix.h"

namespace ilora {

// A measure is nullopt where it has no meaning (transfer and forgetting of a single task) or where
// one entry that its formula names was not evaluated: a mean over fewer entries would be another
// measure under the same name.
struct ContinualMetrics {
  // (1/T) sum_{j=1..T} a_{T,j}.
  Score average_accuracy;
  // (1/T) sum_{k=1..T} (1/k) sum_{j=1..k} a_{k,j}: the mean, after each task, over the tasks seen
  // so far.
  Score average_incremental_accuracy;
  // 1/(T-1) sum_{j=1..T-1} (a_{T,j} - a_{j,j}); below 0: what came later hurt what came before. Not
  // clipped.
  Score backward_transfer;
  // 1/(T-1) sum_{j=2..T} (a_{j-1,j} - b_j), b_j the score before any training.
  Score forward_transfer;
  // 1/(T-1) sum_{j=1..T-1} max_{l=1..T-1} (a_{l,j} - a_{T,j}). l runs over every task but the last,
  // those before task j included, the untrained row 0 and the final row excluded; so it may be
  // below 0 (nothing was lost).
  Score forgetting;
  // (1/T) sum_{k=1..T} (a*_k - a_{k,k}), a*_k the reference score of task k (trained on it alone,
  // or jointly).
  Score intransigence;

  static void visit(auto& keys, auto& self) {
    keys.value("average_accuracy", self.average_accuracy);
    keys.value("average_incremental_accuracy", self.average_incremental_accuracy);
    keys.value("backward_transfer", self.backward_transfer);
    keys.value("forward_transfer", self.forward_transfer);
    keys.value("forgetting", self.forgetting);
    keys.value("intransigence", self.intransigence);
  }
};

// `scores` has at most T+1 rows of T columns each (programmer error otherwise). `references` holds
// a*_1..a*_T and may be empty: then there is no intransigence.
ContinualMetrics continual_metrics(const ScoreMatrix& scores,
                                   std::span<const Score> references = {});

// The same of some of the T tasks alone, the others left out of the means; `tasks` are columns, from
// 0. The last task of all has nothing after it, and no part in the transfer.
Score average_accuracy(const ScoreMatrix& scores, std::span<const size_t> tasks);
Score backward_transfer(const ScoreMatrix& scores, std::span<const size_t> tasks);

}  // namespace ilora
