#include "analysis/factors.h"

#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>

namespace ilora {
namespace {

using Eigen::MatrixXd;
using RowMajorFloats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double kUsedDirection = 1e-6;

// X = Q R with Q (n,k) and R (k,m), k = min(n,m).
struct ThinQr {
  MatrixXd q, r;
};

ThinQr thin_qr(const MatrixXd& x) {
  const Eigen::Index k = std::min(x.rows(), x.cols());
  const Eigen::HouseholderQR<MatrixXd> qr(x);
  return {qr.householderQ() * MatrixXd::Identity(x.rows(), k),
          qr.matrixQR().topRows(k).triangularView<Eigen::Upper>()};
}

Eigen::Index used_directions(const Eigen::VectorXd& s) {
  Eigen::Index count = 0;
  while (count < s.size() && s[count] > kUsedDirection * s[0]) ++count;
  return count;
}

}  // namespace

Factors factors_of(Tensor flat, const LoraBlock& block, double scaling) {
  const Eigen::Map<const RowMajorFloats> a(lora_a(flat, block).ptr<float>(), block.rank, block.in);
  const Eigen::Map<const RowMajorFloats> bt(lora_bt(flat, block).ptr<float>(), block.rank,
                                            block.out);
  return {a.cast<double>(), scaling * bt.cast<double>().transpose()};
}

void store_factors(Tensor flat, const LoraBlock& block, double scaling, const Factors& factors) {
  Eigen::Map<RowMajorFloats> a(lora_a(flat, block).ptr<float>(), block.rank, block.in);
  Eigen::Map<RowMajorFloats> bt(lora_bt(flat, block).ptr<float>(), block.rank, block.out);
  ILORA_CHECK(factors.a.rows() == block.rank && factors.a.cols() == block.in &&
                  factors.b.rows() == block.out && factors.b.cols() == block.rank,
              "factors of another shape than {}", block.name());
  a = factors.a.cast<float>();
  bt = (factors.b.transpose() / scaling).cast<float>();
}

Factors weighted_sum(double x, const Factors& first, double y, const Factors& second) {
  Factors sum;
  sum.a.resize(first.a.rows() + second.a.rows(), first.a.cols());
  sum.b.resize(first.b.rows(), first.b.cols() + second.b.cols());
  sum.a << first.a, second.a;
  sum.b << x * first.b, y * second.b;
  return sum;
}

double product_dot(const Factors& x, const Factors& y) {
  // tr(A_x' B_x' B_y A_y) = sum of (B_x' B_y) * (A_x A_y') elementwise.
  return (x.b.transpose() * y.b).cwiseProduct(x.a * y.a.transpose()).sum();
}

double product_norm(const Factors& x) {
  return (thin_qr(x.b).r * thin_qr(x.a.transpose()).r.transpose()).norm();
}

ProductSvd product_svd(const Factors& x) {
  const ThinQr b = thin_qr(x.b), at = thin_qr(x.a.transpose());
  const Eigen::JacobiSVD<MatrixXd> core(b.r * at.r.transpose(),
                                        Eigen::ComputeThinU | Eigen::ComputeThinV);
  return {b.q * core.matrixU(), at.q * core.matrixV(), core.singularValues()};
}

Factors truncated(const Factors& x, int64_t rank, double* dropped) {
  const ProductSvd svd = product_svd(x);
  const Eigen::Index kept = std::min<Eigen::Index>(rank, svd.s.size());
  const Eigen::VectorXd roots = svd.s.head(kept).cwiseSqrt();
  Factors result{MatrixXd::Zero(rank, x.a.cols()), MatrixXd::Zero(x.b.rows(), rank)};
  result.a.topRows(kept) = roots.asDiagonal() * svd.v.leftCols(kept).transpose();
  result.b.leftCols(kept) = svd.u.leftCols(kept) * roots.asDiagonal();
  if (dropped != nullptr) {
    const double all = svd.s.norm();
    *dropped = all > 0 ? svd.s.tail(svd.s.size() - kept).norm() / all : 0.0;
  }
  return result;
}

Eigen::VectorXd principal_angles(const MatrixXd& x, const MatrixXd& y) {
  // The smaller space second, so that what is left of it has one sine per angle.
  const MatrixXd& wide = x.cols() >= y.cols() ? x : y;
  const MatrixXd& narrow = x.cols() >= y.cols() ? y : x;
  const MatrixXd shared = wide.transpose() * narrow;
  const Eigen::VectorXd cosines = Eigen::JacobiSVD<MatrixXd>(shared).singularValues();
  const Eigen::VectorXd sines =
      Eigen::JacobiSVD<MatrixXd>(narrow - wide * shared).singularValues().reverse();
  Eigen::VectorXd angles(cosines.size());
  for (Eigen::Index i = 0; i < angles.size(); ++i) {
    const double c = std::min(cosines[i], 1.0), s = std::min(sines[i], 1.0);
    angles[i] = c * c > 0.5 ? std::asin(s) : std::acos(c);
  }
  return angles;
}

MatrixXd output_basis(const ProductSvd& svd) {
  return svd.u.leftCols(used_directions(svd.s));
}
MatrixXd input_basis(const ProductSvd& svd) {
  return svd.v.leftCols(used_directions(svd.s));
}

}  // namespace ilora
