// Linear CKA against NumPy, and the properties that define it.
#include "analysis/cka.h"

#include <gtest/gtest.h>

#include <Eigen/QR>
#include <cmath>

#include "tests/unit/analysis/reference.h"

namespace ilora {
namespace {

using Eigen::MatrixXd;
using testing::analysis_reference;
using testing::matrix_of;

TEST(Cka, AgreesWithNumPy) {
  const Json json = analysis_reference("cka");
  const MatrixXd x = matrix_of(json.at("x")), y = matrix_of(json.at("y"));
  EXPECT_NEAR(unbiased_hsic(x * x.transpose(), y * y.transpose()), json.at("hsic").get<double>(),
              1e-12);
  MinibatchCka batches;
  for (const Json& range : json.at("batches")) {
    const Eigen::Index begin = range[0], count = range[1].get<Eigen::Index>() - begin;
    batches.add(x.middleRows(begin, count), y.middleRows(begin, count));
  }
  EXPECT_NEAR(batches.value(), json.at("minibatch").get<double>(), 1e-12);
}

TEST(Cka, SeesNoRotationAndNoScale) {
  std::srand(3);  // Eigen's Random
  const MatrixXd x = MatrixXd::Random(20, 5);
  const MatrixXd rotation = MatrixXd::Random(5, 5).householderQr().householderQ();
  MinibatchCka batches;
  batches.add(x, -2 * x * rotation);
  EXPECT_NEAR(batches.value(), 1, 1e-12);
}

TEST(Cka, OfUnrelatedRowsIsNearZero) {
  std::srand(5);
  MinibatchCka batches;
  for (int i = 0; i < 50; ++i) {
    const MatrixXd x = MatrixXd::Random(10, 40), y = MatrixXd::Random(10, 40);
    batches.add(x, y);
  }
  EXPECT_LT(std::abs(batches.value()), 0.1);
}

// Four rows of noise behind 32 that agree: as one batch in two, they would halve the similarity.
TEST(Cka, ASmallBatchCountsByItsRows) {
  std::srand(7);
  const MatrixXd same = MatrixXd::Random(32, 6), x = MatrixXd::Random(4, 6),
                 y = MatrixXd::Random(4, 6);
  MinibatchCka batches;
  batches.add(same, same);
  batches.add(x, y);
  const auto sum = [&](const MatrixXd& a, const MatrixXd& b) {
    const MatrixXd k = same * same.transpose();
    return 32 * unbiased_hsic(k, k) + 4 * unbiased_hsic(a * a.transpose(), b * b.transpose());
  };
  EXPECT_NEAR(batches.value(), sum(x, y) / std::sqrt(sum(x, x) * sum(y, y)), 1e-12);
}

TEST(Cka, OfAConstantIsUndefined) {
  // Rows that are all the same, by whatever number: what rounding leaves of their spread is no
  // spread.
  for (int n : {8, 17, 30, 32}) {
    const MatrixXd same = (MatrixXd::Ones(n, 1) * MatrixXd::Random(1, 24)).eval();
    for (const MatrixXd& other : {same, MatrixXd(MatrixXd::Random(n, 24))}) {
      MinibatchCka batches;
      batches.add(same, other);
      EXPECT_TRUE(std::isnan(batches.value())) << n;
    }
  }
}

}  // namespace
}  // namespace ilora
