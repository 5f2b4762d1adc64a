// Products of factors, never formed, against NumPy and SciPy, which form them.
#include "analysis/factors.h"

#include <gtest/gtest.h>

#include <Eigen/SVD>
#include <cmath>

#include "analysis/interpolate.h"
#include "base/random.h"
#include "tests/unit/analysis/reference.h"

namespace ilora {
namespace {

using Eigen::MatrixXd;
using testing::analysis_reference;
using testing::matrix_of;
using testing::vector_of;

constexpr double kTolerance = 1e-10;  // both sides compute in double

class FactorsReference : public ::testing::Test {
 protected:
  const Json json = analysis_reference("factors");
  const Factors x{matrix_of(json.at("a1")), matrix_of(json.at("b1"))};
  const Factors y{matrix_of(json.at("a2")), matrix_of(json.at("b2"))};
};

TEST_F(FactorsReference, NormsDistancesAndCosinesOfProducts) {
  EXPECT_NEAR(product_norm(x), json.at("norms")[0].get<double>(), kTolerance);
  EXPECT_NEAR(product_norm(y), json.at("norms")[1].get<double>(), kTolerance);
  EXPECT_NEAR(product_norm(weighted_sum(1, x, -1, y)), json.at("distance").get<double>(),
              kTolerance);
  EXPECT_NEAR(product_dot(x, y) / product_norm(x) / product_norm(y),
              json.at("cosine").get<double>(), kTolerance);
}

TEST_F(FactorsReference, SingularValuesAndVectors) {
  const ProductSvd svd = product_svd(x);
  EXPECT_LT((svd.s - vector_of(json.at("singular"))).norm(), kTolerance);
  EXPECT_LT((svd.u * svd.s.asDiagonal() * svd.v.transpose() - x.b * x.a).norm(), kTolerance);
}

TEST_F(FactorsReference, TheInterpolatedProductIsCutToItsBestApproximation) {
  for (const Json& expected : json.at("truncated")) {
    const double alpha = expected.at("alpha").get<double>();
    double dropped = 0;
    const Factors cut = truncated(weighted_sum(1 - alpha, x, alpha, y), 3, &dropped);
    EXPECT_EQ(cut.a.rows(), 3);
    EXPECT_LT((cut.b * cut.a - matrix_of(expected.at("product"))).norm(), kTolerance) << alpha;
    EXPECT_NEAR(dropped, expected.at("dropped").get<double>(), kTolerance) << alpha;
    EXPECT_NEAR(cut.a.norm(), cut.b.norm(), 1e-9) << "the factors share the singular values";
  }
}

TEST_F(FactorsReference, ARankAboveWhatTheProductHasIsFilledWithZeros) {
  const Factors cut = truncated(x, 5);
  EXPECT_EQ(cut.a.rows(), 5);
  EXPECT_LT((cut.b * cut.a - x.b * x.a).norm(), kTolerance);
}

TEST_F(FactorsReference, PrincipalAngles) {
  const ProductSvd sx = product_svd(x), sy = product_svd(y);
  const auto largest = [](const Eigen::VectorXd& a, const Eigen::VectorXd& b) {
    return (a - b).cwiseAbs().maxCoeff();
  };
  EXPECT_LT(largest(principal_angles(input_basis(sx), input_basis(sy)),
                    vector_of(json.at("angles_input"))),
            kTolerance);
  EXPECT_LT(largest(principal_angles(output_basis(sx), output_basis(sy)),
                    vector_of(json.at("angles_output"))),
            kTolerance);
  const Factors narrow{y.a.topRows(2), y.b.leftCols(2)};
  const auto unequal = principal_angles(output_basis(product_svd(narrow)), output_basis(sx));
  EXPECT_LT(largest(unequal, vector_of(json.at("angles_unequal"))), kTolerance);
}

TEST(PrincipalAngles, OfASpaceWithItselfAreZeroAndOfOrthogonalOnesRight) {
  const MatrixXd unit = MatrixXd::Identity(6, 6);
  EXPECT_LT(principal_angles(unit.leftCols(3), unit.leftCols(3)).maxCoeff(), 1e-15);
  EXPECT_NEAR(principal_angles(unit.leftCols(3), unit.rightCols(3)).minCoeff(), std::acos(0.0),
              1e-15);
}

TEST(ProductSvd, ABlockOfZerosUsesNoDirection) {
  const ProductSvd svd = product_svd({MatrixXd::Random(3, 9), MatrixXd::Zero(12, 3)});
  EXPECT_EQ(output_basis(svd).cols(), 0);
  double dropped = 1;
  EXPECT_EQ(truncated({MatrixXd::Random(3, 9), MatrixXd::Zero(12, 3)}, 2, &dropped).b.norm(), 0);
  EXPECT_EQ(dropped, 0);
}

// ---- interpolation of whole adapters -------------------------------------------------------

ModelConfig small_model() {
  ModelConfig c;
  c.layers = 2;
  c.width = 12;
  c.heads = c.kv_heads = 2;
  c.head_dim = 5;
  c.feed_forward = 16;
  return c;
}

Adapter random_adapter(uint64_t seed, int64_t rank = 3) {
  LoraOptions options;
  options.rank = rank;
  options.alpha = 6;
  options.targets = {"q_proj", "down_proj"};
  Adapter adapter(small_model(), options);
  const Random random(seed, Stream::kTest);
  for (int64_t i = 0; i < adapter.layout().size(); ++i)
    adapter.values().ptr<float>()[i] = static_cast<float>(random.normal(static_cast<uint64_t>(i)));
  return adapter;
}

std::vector<float> values_of(const Adapter& adapter) {
  const auto* v = adapter.values().ptr<float>();
  return {v, v + adapter.layout().size()};
}

TEST(Interpolate, TheEndsAreTheCheckpointsToTheBit) {
  const Adapter a = random_adapter(1), b = random_adapter(2);
  Adapter out = random_adapter(3);
  interpolate_factors(out, a, b, 0);
  EXPECT_EQ(values_of(out), values_of(a));
  interpolate_factors(out, a, b, 1);
  EXPECT_EQ(values_of(out), values_of(b));
  EXPECT_EQ(interpolate_products(out, a, b, 0), 0);
  EXPECT_EQ(values_of(out), values_of(a));
  EXPECT_EQ(interpolate_products(out, a, b, 1), 0);
  EXPECT_EQ(values_of(out), values_of(b));
}

TEST(Interpolate, AProductBetweenTwoIsTheirMeanCutToTheRank) {
  const Adapter a = random_adapter(1), b = random_adapter(2);
  Adapter out = random_adapter(3);
  const double dropped = interpolate_products(out, a, b, 0.25);
  EXPECT_GT(dropped, 0.1);
  double worst = 0;
  for (const LoraBlock& block : a.layout().blocks()) {
    const Factors x = factors_of(a.values(), block, a.scaling());
    const Factors y = factors_of(b.values(), block, b.scaling());
    const Factors z = factors_of(out.values(), block, out.scaling());
    const MatrixXd mean = 0.75 * x.b * x.a + 0.25 * y.b * y.a;
    const Eigen::VectorXd s = mean.jacobiSvd().singularValues();
    // Eckart and Young: what is dropped is what no matrix of this rank can hold.
    EXPECT_NEAR((mean - z.b * z.a).norm(), s.tail(s.size() - block.rank).norm(), 1e-4);
    worst = std::max(worst, s.tail(s.size() - block.rank).norm() / s.norm());
  }
  EXPECT_NEAR(dropped, worst, 1e-6);
}

TEST(Interpolate, TheScaleIsInTheProduct) {
  const Adapter a = random_adapter(1);
  const LoraBlock& block = a.layout().blocks()[1];
  const Factors x = factors_of(a.values(), block, 2.0), y = factors_of(a.values(), block, 1.0);
  EXPECT_EQ((x.b - 2.0 * y.b).norm(), 0);
  EXPECT_EQ(x.a.rows(), 3);
  EXPECT_EQ(x.a.cols(), 16);
  EXPECT_EQ(x.b.rows(), 12);
  Adapter copy = random_adapter(9);
  for (const LoraBlock& b : a.layout().blocks())
    store_factors(copy.values(), b, 2.0, factors_of(a.values(), b, 2.0));
  EXPECT_EQ(values_of(copy), values_of(a));
}

TEST(Interpolate, AdaptersOfDifferentLayoutsAreNamed) {
  try {
    require_same_layout(random_adapter(1), "one/adapter", random_adapter(1, 4), "two/adapter");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("rank 3"), std::string::npos);
    EXPECT_NE(std::string(e.what()).find("two/adapter"), std::string::npos);
  }
  EXPECT_NO_THROW(require_same_layout(random_adapter(1), "a", random_adapter(2), "b"));
}

}  // namespace
}  // namespace ilora
