// Products with a Hessian by differences of gradients: on a problem whose Hessian is known, and on
// a small model.
#include "analysis/sharpness.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/model_fixture.h"
#include "tests/unit/analysis/reference.h"

namespace ilora {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using testing::analysis_reference;
using testing::golden_folder;
using testing::make_row;
using testing::matrix_of;
using testing::TestModel;
using testing::vector_of;

Eigen::Map<const VectorXd> map(std::span<const double> x) {
  return {x.data(), static_cast<Eigen::Index>(x.size())};
}

// log(sum exp(M w)) + 0.1 |w|^2, as in make_analysis.py.
struct Problem {
  Json json = analysis_reference("hessian");
  MatrixXd m = matrix_of(json.at("m"));
  std::vector<double> w = json.at("w").get<std::vector<double>>();

  Product product() const {
    const auto gradient = [this](std::span<double> g, std::span<const double> at) {
      const VectorXd logits = m * map(at);
      const VectorXd p = (logits.array() - logits.maxCoeff()).exp().matrix();
      Eigen::Map<VectorXd>(g.data(), static_cast<Eigen::Index>(g.size())) =
          m.transpose() * p / p.sum() + 0.2 * map(at);
    };
    return hessian_product(gradient, w, 1e-4);
  }
};

TEST(HessianProduct, IsThatOfTheKnownHessian) {
  const Problem problem;
  const MatrixXd h = matrix_of(problem.json.at("hessian"));
  const Product multiply = problem.product();
  for (Eigen::Index i = 0; i < h.cols(); ++i) {
    const VectorXd unit = 3 * VectorXd::Unit(h.cols(), i);  // any length
    VectorXd out(h.rows());
    multiply({out.data(), static_cast<size_t>(out.size())},
             {unit.data(), static_cast<size_t>(unit.size())});
    EXPECT_LT((out - 3 * h.col(i)).norm(), 1e-6);
  }
}

TEST(HessianProduct, GivesTraceAndLargestEigenvalue) {
  const Problem problem;
  const auto size = static_cast<int64_t>(problem.w.size());
  const LanczosResult spectrum = lanczos(problem.product(), size, size, Random(1, Stream::kTest));
  EXPECT_NEAR(spectrum.values.front(), problem.json.at("eigenvalues")[0].get<double>(), 1e-5);
  // Hutchinson's probes by themselves: z'Hz of the known matrix.
  const MatrixXd h = matrix_of(problem.json.at("hessian"));
  const auto exact = hutchinson_trace(
      [&](std::span<double> out, std::span<const double> in) {
        Eigen::Map<VectorXd>(out.data(), h.rows()) = h * map(in);
      },
      size, 10, Random(2, Stream::kTest));
  const auto measured = hutchinson_trace(problem.product(), size, 10, Random(2, Stream::kTest));
  for (size_t i = 0; i < 10; ++i) EXPECT_NEAR(measured.probes[i], exact.probes[i], 1e-5);
}

TEST(Sharpness, OfAModelIsTheCurvatureOfItsLoss) {
  TestModel model(golden_folder("tiny-llama/model"), reference_kernels(DType::kF32), DType::kF32);
  LoraOptions options;
  options.rank = 2;
  Adapter adapter(model.files.config(), options), scratch(model.files.config(), options);
  const Random random(5, Stream::kTest);
  for (int64_t i = 0; i < adapter.layout().size(); ++i)
    adapter.values().ptr<float>()[i] =
        0.2f * static_cast<float>(random.normal(static_cast<uint64_t>(i)));
  const std::vector<Row> rows = {make_row({3, 17, 40, 9, 77, 5}, 2), make_row({8, 2, 61, 30}, 1)};
  const std::vector<const Row*> pointers = {&rows[0], &rows[1]};
  SharpnessOptions sharpness;
  sharpness.steps = 25;
  const Sharpness s = measure_sharpness(model.engine, adapter, scratch, pointers, sharpness);
  EXPECT_LT(s.spectrum.largest_residual, 0.02 * s.spectrum.values.front());

  // The second difference of the loss along the top vector, in double.
  TestModel exact(golden_folder("tiny-llama/model"), reference_kernels(DType::kF64), DType::kF64);
  Adapter moved(exact.files.config(), options, DType::kF64);
  const auto loss = [&](double step) {
    for (int64_t i = 0; i < moved.layout().size(); ++i)
      moved.values().ptr<double>()[i] = static_cast<double>(adapter.values().ptr<float>()[i]) +
                                        step * s.spectrum.top[static_cast<size_t>(i)];
    const Pass pass{{cross_entropy_segment(pointers, {{&moved, 1.0, {}}})}};
    PassReport report;
    exact.engine.run(pass, count_denominators(pass), 0, report);
    return report.total();
  };
  const double h = 1e-3;
  const double curvature = (loss(h) - 2 * loss(0) + loss(-h)) / (h * h);
  EXPECT_GT(curvature, 0);
  EXPECT_NEAR(s.spectrum.values.front(), curvature, 0.03 * curvature);
}

}  // namespace
}  // namespace ilora
