#include "analysis/cka.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace ilora {

using Eigen::MatrixXd;

double unbiased_hsic(const MatrixXd& kernel_x, const MatrixXd& kernel_y) {
  const auto n = static_cast<double>(kernel_x.rows());
  ILORA_CHECK(n >= 4 && kernel_x.rows() == kernel_y.rows(), "{} rows", n);
  MatrixXd k = kernel_x, l = kernel_y;
  k.diagonal().setZero();
  l.diagonal().setZero();
  const Eigen::VectorXd k_sums = k.rowwise().sum(), l_sums = l.rowwise().sum();
  const double trace = k.cwiseProduct(l).sum();
  const double sums = k_sums.sum() * l_sums.sum() / ((n - 1) * (n - 2));
  return (trace + sums - 2.0 / (n - 2) * k_sums.dot(l_sums)) / (n * (n - 3));
}

void MinibatchCka::add(const MatrixXd& x, const MatrixXd& y) {
  const MatrixXd k = x * x.transpose(), l = y * y.transpose();
  const auto n = static_cast<double>(x.rows());
  xy_ += n * unbiased_hsic(k, l);
  xx_ += n * unbiased_hsic(k, k);
  yy_ += n * unbiased_hsic(l, l);
  scale_x_ += k.squaredNorm() / (n - 3);  // n times the mean over n (n - 3) pairs
  scale_y_ += l.squaredNorm() / (n - 3);
}

double MinibatchCka::value() const {
  // Where all rows are the same, xx_ is what rounding leaves of the size of what was summed.
  constexpr double kRounding = 1e-12;
  const bool vary = xx_ > kRounding * scale_x_ && yy_ > kRounding * scale_y_;
  return vary ? xy_ / std::sqrt(xx_ * yy_) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace ilora
