#include "train/optimizer.h"

#include <cmath>

namespace ilora {

Optimizer::Optimizer(const Kernels& kernels, const Recipe& recipe, int64_t size)
    : kernels_(kernels),
      settings_{0.0, recipe.beta1, recipe.beta2, recipe.epsilon, recipe.weight_decay, 0},
      largest_norm_(recipe.clip),
      m_(DType::kF32, {size}),
      v_(DType::kF32, {size}) {}

void Optimizer::reset() {
  kernels_.fill(m_.view(), 0.0);
  kernels_.fill(v_.view(), 0.0);
  settings_.step = 0;
}

double Optimizer::clip(Tensor gradient) const {
  const double norm = std::sqrt(kernels_.dot(gradient, gradient));
  constexpr double kMargin = 1e-6;  // as in PyTorch's clip_grad_norm_
  if (largest_norm_ > 0 && norm > largest_norm_)
    kernels_.scale(gradient, largest_norm_ / (norm + kMargin));
  return norm;
}

void Optimizer::step(Tensor values, Tensor gradient, double learning_rate) {
  settings_.learning_rate = learning_rate;
  ++settings_.step;
  kernels_.adamw(values, m_.view(), v_.view(), gradient, settings_);
}

void Optimizer::visit(StateVisitor& visitor) {
  visitor.value("optimizer.step", settings_.step);
  visitor.vector("optimizer.m", m_.view());
  visitor.vector("optimizer.v", v_.view());
}

}  // namespace ilora
