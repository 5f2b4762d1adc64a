#include "kernels/product_times.h"

#include <algorithm>
#include <limits>

#include "base/clock.h"
#include "kernels/kernels.h"

namespace ilora {
namespace {

constexpr int kRounds = 3;

// Seconds of one map's two products, the fastest round of each.
double seconds_of(const Kernels& kernels, DType type, const ProductShape& shape, int64_t rows) {
  const Buffer w(type, {shape.outputs, shape.inputs}), x(type, {rows, shape.inputs}),
      dy(type, {rows, shape.outputs}), y(DType::kF32, {rows, shape.outputs}),
      dx(DType::kF32, {rows, shape.inputs});
  for (const Buffer* operand : {&w, &x, &dy}) kernels.fill(operand->view(), 0.5);
  double forward = std::numeric_limits<double>::infinity(), backward = forward;
  for (int round = 0; round <= kRounds; ++round) {
    const double began = seconds_now();
    kernels.gemm(y.view(), x.view(), w.view().transposed(), 1.0f, 0.0f);
    const double between = seconds_now();
    kernels.gemm(dx.view(), dy.view(), w.view(), 1.0f, 0.0f);
    if (round == 0) continue;
    forward = std::min(forward, between - began);
    backward = std::min(backward, seconds_now() - between);
  }
  return forward + backward;
}

}  // namespace

int64_t rows_to_time(std::span<const ProductShape> shapes) {
  constexpr int64_t kMostRows = 512, kFewestRows = 64;
  constexpr int64_t kProducts = int64_t{1} << 31;  // multiply-adds of a round
  int64_t parameters = 1;
  for (const ProductShape& shape : shapes) parameters += shape.outputs * shape.inputs;
  return std::clamp(kProducts / (2 * parameters), kFewestRows, kMostRows);
}

ProductTimes time_products(std::span<const ProductShape> shapes, int64_t rows) {
  ProductTimes sum;
  for (const ProductShape& shape : shapes) {
    const auto count = static_cast<double>(shape.count);
    sum.f32 += count * seconds_of(cpu_kernels(), DType::kF32, shape, rows);
    sum.bf16_expanded +=
        count * seconds_of(cpu_kernels(Bf16Products::kExpanded), DType::kBF16, shape, rows);
    sum.bf16 += cpu_features().bf16_native
                    ? count * seconds_of(cpu_kernels(), DType::kBF16, shape, rows)
                    : std::numeric_limits<double>::infinity();
  }
  return sum;
}

}  // namespace ilora
