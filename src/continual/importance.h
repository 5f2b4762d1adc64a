// How much each value of an adapter matters to a task, and the quadratic penalty that follows
// (Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting in neural networks").
//
// Importance is the diagonal of the empirical Fisher information,
//
//   F_i = mean over rows of (d/dtheta_i log p(answer | prompt))^2,
//
// with the data's own answers. The square is taken row by row: the square of a batch's mean
// gradient would be smaller, by up to the number of rows.
#pragma once

#include <span>
#include <vector>

#include "continual/run.h"

namespace ilora {

// What is remembered of a task: the values it ended with and how much each matters. Flat vectors.
struct Anchor {
  explicit Anchor(int64_t size) : values(DType::kF32, {size}), importance(DType::kF32, {size}) {}

  Buffer values, importance;
};

// fisher += F of the rows of all processes under the fast learner.
void add_fisher(Run& run, std::span<const Row* const> rows, Tensor fisher);

// Returns P = 1/2 sum_i importance_i (theta_i - values_i)^2 and adds weight * dP/dtheta to
// `gradient`.
double quadratic_penalty(Tensor gradient, Tensor theta, const Anchor& anchor, double weight);

}  // namespace ilora
