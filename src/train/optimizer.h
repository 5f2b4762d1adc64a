// AdamW on one flat vector, with clipping by global norm.
#pragma once

#include <cstdint>
#include <string>

#include "continual/state.h"
#include "kernels/kernels.h"
#include "train/recipe.h"

namespace ilora {

class Optimizer {
 public:
  Optimizer(const Kernels& kernels, const Recipe& recipe, int64_t size);

  // Before the steps of a task, of which `taken` are done where a run resumes. Before the first, as
  // the recipe says: both moments and their counts to zero; the first moment and its count alone, so
  // that steps keep the second one's scale; or neither. `anew`: both, whatever the recipe says.
  void begin_task(bool anew, int64_t taken);
  // Scales the gradient to the recipe's largest norm, and `second` (where there is one) by the same
  // factor; returns the norm before.
  double clip(Tensor gradient, Tensor second = {}) const;
  // `second`: what the second moment takes in the gradient's place; null: the gradient.
  void step(Tensor values, Tensor gradient, double learning_rate, Tensor second = {});
  void visit(StateVisitor& visitor);

 private:
  void step_apart(Tensor values, Tensor gradient, Tensor second, const AdamWStep& step);

  const Kernels& kernels_;
  AdamWStep settings_;       // its count is the second moment's
  int64_t first_count_ = 0;  // steps that the first moment is the mean of
  double largest_norm_;
  std::string at_task_;  // Recipe::reset_optimizer
  Buffer m_, v_;
};

}  // namespace ilora
