// Lanczos and Hutchinson on matrices that are known.
#include "analysis/spectrum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/unit/analysis/reference.h"

namespace ilora {
namespace {

using Eigen::MatrixXd;
using testing::analysis_reference;
using testing::matrix_of;

Product product_with(const MatrixXd& h) {
  return [&h](std::span<double> out, std::span<const double> in) {
    const auto n = static_cast<Eigen::Index>(in.size());
    Eigen::Map<Eigen::VectorXd>(out.data(), n) =
        h * Eigen::Map<const Eigen::VectorXd>(in.data(), n);
  };
}

TEST(Lanczos, FindsEveryEigenvalueOfASmallMatrix) {
  const Json json = analysis_reference("hessian");
  const MatrixXd h = matrix_of(json.at("hessian"));
  const LanczosResult result =
      lanczos(product_with(h), h.rows(), h.rows(), Random(1, Stream::kTest));
  const auto expected = json.at("eigenvalues").get<std::vector<double>>();
  // H - 0.2 I has rank 7: the eigenvalue 0.2 is met once, however often it occurs.
  EXPECT_NEAR(result.values.front(), expected.front(), 1e-10);
  EXPECT_NEAR(result.values.back(), expected.back(), 1e-10);
  for (const double value : result.values) {
    const auto near = std::min_element(expected.begin(), expected.end(), [&](double a, double b) {
      return std::abs(a - value) < std::abs(b - value);
    });
    EXPECT_NEAR(value, *near, 1e-9);
  }
  const Eigen::Map<const Eigen::VectorXd> top(result.top.data(), h.rows());
  EXPECT_LT((h * top - expected.front() * top).norm(), 1e-9);
}

TEST(Lanczos, ItsResidualBoundsTheError) {
  const MatrixXd h = matrix_of(analysis_reference("hessian").at("hessian"));
  const double exact = analysis_reference("hessian").at("eigenvalues")[0];
  for (int64_t steps = 1; steps <= 5; ++steps) {
    const LanczosResult result =
        lanczos(product_with(h), h.rows(), steps, Random(2, Stream::kTest));
    const Eigen::Map<const Eigen::VectorXd> top(result.top.data(), h.rows());
    EXPECT_NEAR((h * top - result.values.front() * top).norm(), result.largest_residual, 1e-10);
    EXPECT_LE(result.values.front(), exact + 1e-12);
  }
}

TEST(Lanczos, StopsInAnInvariantSubspace) {
  const MatrixXd h = 3 * MatrixXd::Identity(6, 6);
  const LanczosResult result = lanczos(product_with(h), 6, 6, Random(1, Stream::kTest));
  ASSERT_EQ(result.values.size(), 1U);
  EXPECT_NEAR(result.values[0], 3, 1e-12);
}

TEST(Hutchinson, IsExactOnADiagonalMatrix) {
  MatrixXd h = MatrixXd::Zero(5, 5);
  h.diagonal() << 1, -2, 3, 4, 0.5;
  const TraceEstimate estimate = hutchinson_trace(product_with(h), 5, 4, Random(1, Stream::kTest));
  EXPECT_NEAR(estimate.trace, 6.5, 1e-12);
  EXPECT_NEAR(estimate.standard_error, 0, 1e-12);
}

TEST(Hutchinson, MeetsTheTraceWithinItsStandardError) {
  const Json json = analysis_reference("hessian");
  const MatrixXd h = matrix_of(json.at("hessian"));
  const TraceEstimate estimate =
      hutchinson_trace(product_with(h), h.rows(), 4000, Random(4, Stream::kTest));
  EXPECT_NEAR(estimate.trace, json.at("trace").get<double>(), 4 * estimate.standard_error);
  // Its variance is 2 * (|H|^2 - |diag H|^2) per probe.
  const double variance = 2 * (h.squaredNorm() - h.diagonal().squaredNorm());
  EXPECT_NEAR(estimate.standard_error, std::sqrt(variance / 4000), 0.1 * estimate.standard_error);
}

}  // namespace
}  // namespace ilora
