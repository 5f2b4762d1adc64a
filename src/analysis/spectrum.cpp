#include "analysis/spectrum.h"

#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

namespace ilora {
namespace {

using Eigen::VectorXd;

VectorXd product(const Product& multiply, const VectorXd& x) {
  VectorXd y(x.size());
  multiply({y.data(), static_cast<size_t>(y.size())}, {x.data(), static_cast<size_t>(x.size())});
  return y;
}

}  // namespace

TraceEstimate hutchinson_trace(const Product& multiply, int64_t size, int64_t probes,
                               const Random& random) {
  TraceEstimate estimate;
  VectorXd z(size);
  for (int64_t p = 0; p < probes; ++p) {
    for (int64_t i = 0; i < size; ++i)
      z[i] = random.bits(static_cast<uint64_t>(p * size + i)) >> 63 == 0 ? 1.0 : -1.0;
    estimate.probes.push_back(z.dot(product(multiply, z)));
  }
  const auto n = static_cast<double>(probes);
  for (const double x : estimate.probes) estimate.trace += x / n;
  double squares = 0;
  for (const double x : estimate.probes) squares += (x - estimate.trace) * (x - estimate.trace);
  if (probes > 1) estimate.standard_error = std::sqrt(squares / (n - 1) / n);
  return estimate;
}

LanczosResult lanczos(const Product& multiply, int64_t size, int64_t steps, const Random& random) {
  steps = std::min(steps, size);
  Eigen::MatrixXd basis(size, steps);
  VectorXd diagonal(steps), below(steps);
  VectorXd q(size);
  for (int64_t i = 0; i < size; ++i) q[i] = random.normal(static_cast<uint64_t>(i));
  q.normalize();
  Eigen::Index count = 0;
  double scale = 0;
  while (count < steps) {
    basis.col(count) = q;
    VectorXd w = product(multiply, q);
    diagonal[count] = q.dot(w);
    const auto known = basis.leftCols(count + 1);
    // Twice is enough (Parlett): rounding would bring lost directions back.
    for (int pass = 0; pass < 2; ++pass) w -= known * (known.transpose() * w).eval();
    below[count] = w.norm();
    scale = std::max({scale, std::abs(diagonal[count]), below[count]});
    ++count;
    if (below[count - 1] <= 1e-12 * scale) break;
    q = w / below[count - 1];
  }
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(diagonal.head(count),
                                below.head(std::max<Eigen::Index>(count - 1, 0)));
  LanczosResult result;
  for (Eigen::Index i = count - 1; i >= 0; --i) result.values.push_back(solver.eigenvalues()[i]);
  const Eigen::MatrixXd& vectors = solver.eigenvectors();
  result.largest_residual = below[count - 1] * std::abs(vectors(count - 1, count - 1));
  result.smallest_residual = below[count - 1] * std::abs(vectors(count - 1, 0));
  const VectorXd top = basis.leftCols(count) * vectors.col(count - 1);
  result.top.assign(top.data(), top.data() + size);
  return result;
}

}  // namespace ilora
