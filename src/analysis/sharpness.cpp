#include "analysis/sharpness.h"

#include <cmath>

#include "analysis/row_loss.h"
#include "base/error.h"

namespace ilora {
namespace {

double norm(std::span<const double> x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

// The gradient on rows, through the engine's float32 vectors.
GradientAt gradient_on_rows(Engine& engine, Adapter& scratch, std::span<const Row* const> rows,
                            const LossOptions& loss) {
  return [&engine, &scratch, rows, loss](std::span<double> gradient, std::span<const double> at) {
    ILORA_CHECK(at.size() == static_cast<size_t>(scratch.layout().size()), "{} values for {}",
                at.size(), scratch.layout().size());
    const Buffer flat(DType::kF32, {static_cast<int64_t>(at.size())});
    for (size_t i = 0; i < at.size(); ++i)
      scratch.values().ptr<float>()[i] = static_cast<float>(at[i]);
    add_row_gradient(engine, scratch, rows, loss, flat.view());
    for (size_t i = 0; i < at.size(); ++i) gradient[i] = static_cast<double>(flat.ptr<float>()[i]);
  };
}

}  // namespace

Product hessian_product(GradientAt gradient, std::vector<double> at, double length) {
  return [gradient = std::move(gradient), at = std::move(at), length](std::span<double> out,
                                                                      std::span<const double> in) {
    const double e = length / norm(in);
    std::vector<double> point(at.size()), before(at.size());
    for (size_t i = 0; i < at.size(); ++i) point[i] = at[i] - e * in[i];
    gradient(before, point);
    for (size_t i = 0; i < at.size(); ++i) point[i] = at[i] + e * in[i];
    gradient(out, point);
    for (size_t i = 0; i < at.size(); ++i) out[i] = (out[i] - before[i]) / (2 * e);
  };
}

Sharpness measure_sharpness(Engine& engine, const Adapter& adapter, Adapter& scratch,
                            std::span<const Row* const> rows, const SharpnessOptions& options) {
  const auto size = adapter.layout().size();
  const auto* values = adapter.values().ptr<float>();
  const std::vector<double> at(values, values + size);
  const Product multiply = hessian_product(gradient_on_rows(engine, scratch, rows, options.loss),
                                           at, options.relative * norm(at));
  return {
      hutchinson_trace(multiply, size, options.probes, Random(options.seed, Stream::kAnalysis, 10)),
      lanczos(multiply, size, options.steps, Random(options.seed, Stream::kAnalysis, 11))};
}

}  // namespace ilora
