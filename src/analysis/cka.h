// Linear centred kernel alignment of two representations of the same rows (Kornblith et al. 2019,
// "Similarity of neural network representations revisited"): 1 where they agree up to rotation and
// one scale, 0 where they share nothing.
//
// Called by hidden.cpp; reference values: tests/golden/make_analysis.py.
#pragma once

#include <Eigen/Core>

namespace ilora {

// HSIC with a linear kernel, the unbiased estimate over n >= 4 rows (Song et al. 2012).
double unbiased_hsic(const Eigen::MatrixXd& kernel_x, const Eigen::MatrixXd& kernel_y);

// CKA from unbiased HSIC averaged over minibatches (Nguyen et al. 2021, "Do wide and deep networks
// learn the same things?"): its expectation does not depend on the batch, where the plain one
// approaches 1 as rows become few beside features. A batch counts by its rows, so that a last, small
// one weighs no more than its share.
class MinibatchCka {
 public:
  // x (n,p), y (n,q): features of the same n >= 4 rows.
  void add(const Eigen::MatrixXd& x, const Eigen::MatrixXd& y);
  double value() const;  // NaN where the rows of one of them are all the same

 private:
  double xy_ = 0, xx_ = 0, yy_ = 0;
  double scale_x_ = 0, scale_y_ = 0;  // of what xx_ and yy_ are sums of
};

}  // namespace ilora
