// LoRA's update of one matrix as a pair of factors, dW = B A, and what can be said of the product
// without forming it: everything goes through QR of the thin factors and small (R,R) matrices.
//
// Called by interpolate.cpp and distance.cpp; reference values: tests/golden/make_analysis.py.
#pragma once

#include <Eigen/Core>
#include <cstdint>

#include "model/adapter.h"

namespace ilora {

// Double precision; the adapter's scale alpha/r is in B.
struct Factors {
  Eigen::MatrixXd a;  // (R,in)
  Eigen::MatrixXd b;  // (out,R)
};

// A block of a flat float32 vector.
Factors factors_of(Tensor flat, const LoraBlock& block, double scaling);
// Writes them back; `scaling` must not be 0.
void store_factors(Tensor flat, const LoraBlock& block, double scaling, const Factors& factors);

// Factors of x * X + y * Y, one beside the other: of rank R_X + R_Y.
Factors weighted_sum(double x, const Factors& first, double y, const Factors& second);

// <X, Y> = tr(X' Y) of the products, and |X|, the Frobenius norm.
double product_dot(const Factors& x, const Factors& y);
double product_norm(const Factors& x);

// The singular value decomposition of a product, the largest first: U (out,R), s (R), V (in,R).
struct ProductSvd {
  Eigen::MatrixXd u, v;
  Eigen::VectorXd s;
};
ProductSvd product_svd(const Factors& x);

// The best approximation of rank `rank` (Eckart and Young 1936), its singular values shared evenly
// by both factors. `dropped`, where given: |X - X_rank| / |X|, 0 for a product of 0.
Factors truncated(const Factors& x, int64_t rank, double* dropped = nullptr);

// Principal angles between the column spaces of two matrices with orthonormal columns, in radians,
// the smallest first (Bjorck and Golub 1973; small angles by their sines, as in SciPy's
// subspace_angles).
Eigen::VectorXd principal_angles(const Eigen::MatrixXd& x, const Eigen::MatrixXd& y);

// An orthonormal basis of the directions that a product uses: left (out) or right (in) singular
// vectors whose value is above 1e-6 of the largest.
Eigen::MatrixXd output_basis(const ProductSvd& svd);
Eigen::MatrixXd input_basis(const ProductSvd& svd);

}  // namespace ilora
