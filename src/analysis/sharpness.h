// How sharp the loss is around an adapter: the Hessian's trace and largest eigenvalue in the space
// of the adapter's values (the base is frozen). Products with the Hessian are central differences
// of gradients, so the engine needs no second derivative.
//
// The values depend on how B A is shared between its factors: (cA, B/c) is the same model with
// another Hessian. Compare adapters of one run.
//
// Called by `ilora analyze sharpness`; reference values: tests/golden/make_analysis.py.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "analysis/spectrum.h"
#include "model/engine.h"

namespace ilora {

// gradient = the loss's gradient at `at`.
using GradientAt = std::function<void(std::span<double> gradient, std::span<const double> at)>;

// H v = (g(w + e v) - g(w - e v)) / 2e, with e |v| = `length`.
Product hessian_product(GradientAt gradient, std::vector<double> at, double length);

struct SharpnessOptions {
  int64_t probes = 4;      // of the trace
  int64_t steps = 8;       // of Lanczos
  double relative = 1e-3;  // length of a difference, relative to |w|
  uint64_t seed = 1;
  LossOptions loss{};  // of the rows' labels
};

struct Sharpness {
  TraceEstimate trace;
  LanczosResult spectrum;
};

// Of the mean cross-entropy over rows. `scratch` is of the adapter's layout.
Sharpness measure_sharpness(Engine& engine, const Adapter& adapter, Adapter& scratch,
                            std::span<const Row* const> rows, const SharpnessOptions& options);

}  // namespace ilora
