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

  void reset();  // moments and step count to zero
  // Scales the gradient to the recipe's largest norm; returns the norm before.
  double clip(Tensor gradient) const;
  void step(Tensor values, Tensor gradient, double learning_rate);
  void visit(StateVisitor& visitor);

 private:
  const Kernels& kernels_;
  AdamWStep settings_;
  double largest_norm_;
  Buffer m_, v_;
};

}  // namespace ilora
