#include "continual/gradient_basis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ilora {

bool GradientBasis::add(const Kernels& kernels, Tensor gradient) {
  constexpr double kLeast = 1e-3;
  const double length = std::sqrt(kernels.dot(gradient, gradient));
  if (length == 0) return false;
  Buffer rest(DType::kF32, {gradient.size()});
  kernels.convert(rest.view(), gradient);
  kernels.scale(rest.view(), 1.0 / length);  // far from float's ends, whatever the gradient's size
  double left = 1;
  for (int turn = 0; turn < 2; ++turn) {
    take_out(kernels, rest.view());
    const double now = std::sqrt(kernels.dot(rest.view(), rest.view()));
    left *= now;
    if (left < kLeast) return false;
    kernels.scale(rest.view(), 1.0 / now);
  }
  vectors_.push_back(std::move(rest));
  return true;
}

double GradientBasis::take_out(const Kernels& kernels, Tensor gradient) const {
  const double before = kernels.dot(gradient, gradient);
  double gone = 0;
  for (const Buffer& v : vectors_) {
    const double along = kernels.dot(gradient, v.view());
    kernels.axpy(gradient, -along, v.view());
    gone += along * along;
  }
  return before > 0 ? std::sqrt(std::min(1.0, gone / before)) : 0.0;
}

void GradientBasis::visit(StateVisitor& visitor, const std::string& name) {
  int64_t count = size(), length = vectors_.empty() ? 0 : vectors_.front().view().size();
  visitor.count(name + ".vectors", count);
  visitor.count(name + ".size", length);
  for (int64_t i = 0; i < count; ++i) {
    if (i == size()) vectors_.emplace_back(DType::kF32, std::initializer_list<int64_t>{length});
    visitor.vector(fmt::format("{}.{}", name, i), vectors_[static_cast<size_t>(i)].view());
  }
}

}  // namespace ilora
