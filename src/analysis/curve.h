// Curves between two adapters: the straight line, and curves with one trained bend (Garipov et al.
// 2018, "Loss surfaces, mode connectivity, and fast ensembling of DNNs", arXiv 1802.10026).
//
//   line     p(t) = (1-t) a + t b
//   bezier   p(t) = (1-t)^2 a + 2 t (1-t) bend + t^2 b
//   polygon  p(t) = straight from a to the bend (t <= 1/2), straight from there to b
//
// Called by `ilora analyze path`; positions are flat vectors, value by value.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/random.h"
#include "kernels/kernels.h"
#include "model/engine.h"

namespace ilora {

enum class CurveKind : uint8_t { kLine, kBezier, kPolygon };
CurveKind parse_curve(const std::string& name);
const char* curve_name(CurveKind kind);

// The weights of a, bend and b at t: p(t) = a * wa + bend * wbend + b * wb. Also d p / d bend.
struct CurveWeights {
  double a = 0, bend = 0, b = 0;
};
CurveWeights curve_weights(CurveKind kind, double t);

// out = the curve's point at t; exactly a and b at t 0 and 1. All F32 or all F64; `bend` may be
// empty for a line.
void curve_point(Tensor out, CurveKind kind, Tensor a, Tensor bend, Tensor b, double t);

// How the bend is found: at every step a random t in [0,1), the loss's gradient at p(t) carried to
// the bend by the chain rule, and AdamW. It starts on the line's middle, where the curves are
// lines.
struct CurveTraining {
  int64_t steps = 120, batch_size = 8;
  double learning_rate = 2e-3;
  uint64_t seed = 1;
  LossOptions loss{};  // of the rows' labels
};
// The loss at a flat vector, for step `step`; adds its gradient to `gradient`.
using LossAt = std::function<double(Tensor gradient, Tensor values, int64_t step)>;
// Trains `bend` (in place); returns the losses met. Throws Error(kNumeric) where one is not finite.
std::vector<double> train_bend(const Kernels& kernels, CurveKind kind, Tensor a, Tensor bend,
                               Tensor b, const CurveTraining& training, const LossAt& loss);

// LossAt on rows: cross-entropy of `batch_size` rows per step, in random order. `scratch` is of the
// curve's layout; engine, rows and scratch outlive it.
LossAt loss_on_rows(Engine& engine, Adapter& scratch, std::span<const Row* const> rows,
                    const CurveTraining& training);

}  // namespace ilora
