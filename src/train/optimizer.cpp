#include "train/optimizer.h"

#include <cmath>

#include "base/parallel.h"

namespace ilora {

Optimizer::Optimizer(const Kernels& kernels, const Recipe& recipe, int64_t size)
    : kernels_(kernels),
      settings_{0.0, recipe.beta1, recipe.beta2, recipe.epsilon, recipe.weight_decay, 0},
      largest_norm_(recipe.clip),
      at_task_(recipe.reset_optimizer),
      m_(DType::kF32, {size}),
      v_(DType::kF32, {size}) {}

void Optimizer::begin_task(bool anew, int64_t taken) {
  const bool both = anew || at_task_ == "true", first = both || at_task_ == "first";
  if (taken == 0 && first) kernels_.fill(m_.view(), 0.0);
  if (taken == 0 && both) {
    kernels_.fill(v_.view(), 0.0);
    settings_.step = 0;
  }
  first_count_ = first ? taken : settings_.step;
}

double Optimizer::clip(Tensor gradient, Tensor second) const {
  const double norm = std::sqrt(kernels_.dot(gradient, gradient));
  constexpr double kMargin = 1e-6;  // as in PyTorch's clip_grad_norm_
  if (largest_norm_ > 0 && norm > largest_norm_) {
    kernels_.scale(gradient, largest_norm_ / (norm + kMargin));
    if (second) kernels_.scale(second, largest_norm_ / (norm + kMargin));
  }
  return norm;
}

void Optimizer::step(Tensor values, Tensor gradient, double learning_rate, Tensor second) {
  ++settings_.step;
  ++first_count_;
  // The kernel corrects both moments by one count. Where the first is younger, the rate makes up for
  // it, and the decay, which is multiplied by the rate, for that.
  const auto unbiased = [&](int64_t count) {
    return 1.0 - std::pow(settings_.beta1, static_cast<double>(count));
  };
  const double younger =
      first_count_ == settings_.step ? 1.0 : unbiased(settings_.step) / unbiased(first_count_);
  AdamWStep step = settings_;
  step.learning_rate = learning_rate * younger;
  step.weight_decay = settings_.weight_decay / younger;
  if (second) return step_apart(values, gradient, second, step);
  kernels_.adamw(values, m_.view(), v_.view(), gradient, step);
}

// AdamW with a gradient of its own for each moment.
void Optimizer::step_apart(Tensor values, Tensor gradient, Tensor second, const AdamWStep& s) {
  constexpr int64_t kChunk = 16384;
  const auto count = static_cast<double>(s.step);
  const auto b1 = static_cast<float>(s.beta1), b2 = static_cast<float>(s.beta2);
  const auto decay = static_cast<float>(1.0 - s.learning_rate * s.weight_decay);
  const auto rate = static_cast<float>(s.learning_rate / (1.0 - std::pow(s.beta1, count)));
  const auto unbiased = static_cast<float>(1.0 / (1.0 - std::pow(s.beta2, count)));
  const auto epsilon = static_cast<float>(s.epsilon);
  float *theta = values.ptr<float>(), *m = m_.ptr<float>(), *v = v_.ptr<float>();
  const float *g1 = gradient.ptr<float>(), *g2 = second.ptr<float>();
  parallel_for(values.size(), kChunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      m[i] = b1 * m[i] + (1 - b1) * g1[i];
      v[i] = b2 * v[i] + (1 - b2) * g2[i] * g2[i];
      theta[i] = decay * theta[i] - rate * m[i] / (std::sqrt(v[i] * unbiased) + epsilon);
    }
  });
}

void Optimizer::visit(StateVisitor& visitor) {
  visitor.value("optimizer.step", settings_.step);
  visitor.vector("optimizer.m", m_.view());
  visitor.vector("optimizer.v", v_.view());
}

}  // namespace ilora
