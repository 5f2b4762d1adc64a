#include "analysis/curve.h"

#include <cmath>

#include "analysis/row_loss.h"
#include "base/error.h"

namespace ilora {
namespace {

constexpr const char* kCurves[] = {"line", "bezier", "polygon"};

template <class T>
void mix(Tensor out, const CurveWeights& w, Tensor a, Tensor bend, Tensor b) {
  const T *x = a.ptr<T>(), *m = bend.ptr<T>(), *y = b.ptr<T>();
  T* z = out.ptr<T>();
  for (int64_t i = 0; i < out.size(); ++i) {
    z[i] = static_cast<T>(w.a * static_cast<double>(x[i]) + w.bend * static_cast<double>(m[i]) +
                          w.b * static_cast<double>(y[i]));
  }
}

}  // namespace

CurveKind parse_curve(const std::string& name) {
  for (size_t i = 0; i < std::size(kCurves); ++i) {
    if (name == kCurves[i]) return static_cast<CurveKind>(i);
  }
  throw Error(ErrorKind::kUsage, fmt::format("[analyze] unknown curve '{}'", name),
              "Use line, bezier or polygon.");
}

const char* curve_name(CurveKind kind) {
  return kCurves[static_cast<size_t>(kind)];
}

CurveWeights curve_weights(CurveKind kind, double t) {
  switch (kind) {
    case CurveKind::kLine:
      break;
    case CurveKind::kBezier:
      return {(1 - t) * (1 - t), 2 * t * (1 - t), t * t};
    case CurveKind::kPolygon:
      return t <= 0.5 ? CurveWeights{1 - 2 * t, 2 * t, 0} : CurveWeights{0, 2 - 2 * t, 2 * t - 1};
  }
  return {1 - t, 0, t};
}

void curve_point(Tensor out, CurveKind kind, Tensor a, Tensor bend, Tensor b, double t) {
  const CurveWeights w = curve_weights(kind, t);
  if (w.bend == 0) bend = a;
  if (out.dtype == DType::kF64) {
    mix<double>(out, w, a, bend, b);
  } else {
    mix<float>(out, w, a, bend, b);
  }
}

std::vector<double> train_bend(const Kernels& kernels, CurveKind kind, Tensor a, Tensor bend,
                               Tensor b, const CurveTraining& training, const LossAt& loss) {
  const int64_t size = a.size();
  const Buffer point(DType::kF32, {size}), gradient(DType::kF32, {size});
  const Buffer m(DType::kF32, {size}), v(DType::kF32, {size});
  const Random random(training.seed, Stream::kAnalysis, 1);
  std::vector<double> losses;
  AdamWStep adamw;
  for (int64_t step = 0; step < training.steps; ++step) {
    const double t = random.uniform(static_cast<uint64_t>(step));
    curve_point(point.view(), kind, a, bend, b, t);
    kernels.fill(gradient.view(), 0.0);
    losses.push_back(loss(gradient.view(), point.view(), step));
    if (!std::isfinite(losses.back())) {
      throw Error(ErrorKind::kNumeric,
                  fmt::format("[analyze] the loss at step {} of the curve is not finite", step),
                  "Lower --curve-rate.");
    }
    kernels.scale(gradient.view(), curve_weights(kind, t).bend);
    // Falls linearly to 0, so that the bend comes to rest.
    adamw.learning_rate = training.learning_rate *
                          (1 - static_cast<double>(step) / static_cast<double>(training.steps));
    adamw.step = step + 1;
    kernels.adamw(bend, m.view(), v.view(), gradient.view(), adamw);
  }
  return losses;
}

LossAt loss_on_rows(Engine& engine, Adapter& scratch, std::span<const Row* const> rows,
                    const CurveTraining& training) {
  return [&engine, &scratch, rows, training](Tensor gradient, Tensor values, int64_t step) {
    engine.kernels().convert(scratch.values(), values);
    std::vector<const Row*> batch;
    const auto count = static_cast<int64_t>(rows.size());
    for (int64_t i = 0; i < std::min(training.batch_size, count); ++i) {
      // A new permutation for each pass over the rows.
      const int64_t at = step * training.batch_size + i;
      const Random order(training.seed, Stream::kAnalysis, static_cast<uint64_t>(2 + at / count));
      batch.push_back(
          rows[static_cast<size_t>(order.permutation(count)[static_cast<size_t>(at % count)])]);
    }
    return add_row_gradient(engine, scratch, batch, training.loss, gradient);
  };
}

}  // namespace ilora
