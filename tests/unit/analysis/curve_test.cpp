// Curves with a trained bend: their points, the gradient that reaches the bend, and that training
// lowers the loss along them.
#include "analysis/curve.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "tests/model_fixture.h"

namespace ilora {
namespace {

using testing::golden_folder;
using testing::make_row;
using testing::TestModel;

constexpr CurveKind kKinds[] = {CurveKind::kLine, CurveKind::kBezier, CurveKind::kPolygon};

Buffer buffer_of(const std::vector<float>& values) {
  Buffer buffer(DType::kF32, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), buffer.ptr<float>());
  return buffer;
}

TEST(Curve, RunsThroughItsEndsToTheBit) {
  const Buffer a = buffer_of({0.1f, -3.7f}), bend = buffer_of({5, 5}), b = buffer_of({2.3f, 1e-9f});
  const Buffer out(DType::kF32, {2});
  for (const CurveKind kind : kKinds) {
    curve_point(out.view(), kind, a.view(), bend.view(), b.view(), 0);
    EXPECT_EQ(out.ptr<float>()[1], a.ptr<float>()[1]);
    curve_point(out.view(), kind, a.view(), bend.view(), b.view(), 1);
    EXPECT_EQ(out.ptr<float>()[0], b.ptr<float>()[0]);
    EXPECT_EQ(out.ptr<float>()[1], b.ptr<float>()[1]);
  }
}

TEST(Curve, PassesItsBendAsThePaperSays) {
  EXPECT_DOUBLE_EQ(curve_weights(CurveKind::kBezier, 0.5).bend, 0.5);
  EXPECT_DOUBLE_EQ(curve_weights(CurveKind::kBezier, 0.25).a, 0.5625);
  EXPECT_DOUBLE_EQ(curve_weights(CurveKind::kPolygon, 0.5).bend, 1);
  EXPECT_DOUBLE_EQ(curve_weights(CurveKind::kPolygon, 0.75).bend, 0.5);
  EXPECT_DOUBLE_EQ(curve_weights(CurveKind::kPolygon, 0.75).b, 0.5);
  for (const CurveKind kind : kKinds) {
    EXPECT_EQ(parse_curve(curve_name(kind)), kind);
    for (const double t : {-0.25, 0.1, 0.5, 0.9, 1.25}) {
      const CurveWeights w = curve_weights(kind, t);
      EXPECT_NEAR(w.a + w.bend + w.b, 1, 1e-12);  // a curve of equal points stays there
    }
  }
  EXPECT_THROW(parse_curve("spiral"), Error);
}

// dL/dbend = w_bend(t) * dL/dp, in double on a whole model, against central differences.
TEST(Curve, TheGradientReachesTheBendByTheChainRule) {
  const Kernels& kernels = reference_kernels(DType::kF64);
  TestModel model(golden_folder("tiny-llama/model"), kernels, DType::kF64);
  LoraOptions options;
  options.rank = 2;
  const auto filled = [&](uint64_t seed) {
    Adapter adapter(model.files.config(), options, DType::kF64);
    const Random random(seed, Stream::kTest);
    for (int64_t i = 0; i < adapter.layout().size(); ++i)
      adapter.values().ptr<double>()[i] = 0.1 * random.normal(static_cast<uint64_t>(i));
    return adapter;
  };
  const Adapter a = filled(1), b = filled(2), point = filled(4);
  Adapter bend = filled(3);
  const Row row = make_row({3, 17, 40, 9, 77, 5}, 2);
  const int64_t size = point.layout().size();
  const auto loss_at = [&](CurveKind kind, double t, Tensor gradient) {
    curve_point(point.values(), kind, a.values(), bend.values(), b.values(), t);
    const Pass pass{{cross_entropy_segment({&row}, {{&point, 1.0, gradient}})}};
    PassReport report;
    model.engine.run(pass, count_denominators(pass), 0, report);
    return report.total();
  };
  for (const CurveKind kind : {CurveKind::kBezier, CurveKind::kPolygon}) {
    for (const double t : {0.2, 0.7}) {
      const Buffer gradient(DType::kF64, {size}), unused(DType::kF64, {size});
      loss_at(kind, t, gradient.view());
      const double weight = curve_weights(kind, t).bend;
      for (int64_t i = 0; i < size; i += 37) {
        double& value = bend.values().ptr<double>()[i];
        const double kept = value, h = 1e-5;
        value = kept + h;
        const double up = loss_at(kind, t, unused.view());
        value = kept - h;
        const double down = loss_at(kind, t, unused.view());
        value = kept;
        EXPECT_NEAR(weight * gradient.ptr<double>()[i], (up - down) / (2 * h), 1e-8)
            << curve_name(kind) << " at " << t << ", value " << i;
      }
    }
  }
}

// The loss (|w|^2 - 1)^2 has its minima on a circle: a line between two of them crosses a barrier,
// a curve need not.
TEST(Curve, TrainingFindsAWayAroundABarrier) {
  const Buffer a = buffer_of({1, 0}), b = buffer_of({-0.5f, 0.8660254f});
  const LossAt circle = [](Tensor gradient, Tensor values, int64_t) {
    const auto* w = values.ptr<float>();
    const double r = static_cast<double>(w[0] * w[0] + w[1] * w[1]) - 1;
    for (int i = 0; i < 2; ++i)
      gradient.ptr<float>()[i] += static_cast<float>(4 * r * static_cast<double>(w[i]));
    return r * r;
  };
  const auto highest = [&](CurveKind kind, const Buffer& bend) {
    const Buffer at(DType::kF32, {2}), unused(DType::kF32, {2});
    double high = 0;
    for (int i = 0; i <= 20; ++i) {
      curve_point(at.view(), kind, a.view(), bend.view(), b.view(), i / 20.0);
      high = std::max(high, circle(unused.view(), at.view(), 0));
    }
    return high;
  };
  CurveTraining training;
  training.steps = 400;
  training.learning_rate = 0.02;
  for (const CurveKind kind : {CurveKind::kBezier, CurveKind::kPolygon}) {
    Buffer bend = buffer_of({0.25f, 0.4330127f});
    const double line = highest(CurveKind::kLine, bend);
    EXPECT_GT(line, 0.5);
    const auto losses = train_bend(reference_kernels(DType::kF32), kind, a.view(), bend.view(),
                                   b.view(), training, circle);
    EXPECT_EQ(losses.size(), 400U);
    EXPECT_LT(highest(kind, bend), 0.2 * line) << curve_name(kind);
  }
}

TEST(Curve, ALossThatIsNotFiniteNamesTheStep) {
  const Buffer a = buffer_of({1}), bend = buffer_of({1}), b = buffer_of({2});
  try {
    train_bend(reference_kernels(DType::kF32), CurveKind::kBezier, a.view(), bend.view(), b.view(),
               {}, [](Tensor, Tensor, int64_t step) { return step < 3 ? 1.0 : std::nan(""); });
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kNumeric);
    EXPECT_NE(std::string(e.what()).find("step 3"), std::string::npos);
  }
}

TEST(Curve, TrainingTakesEveryRowOnceBeforeAnyAgain) {
  TestModel model(golden_folder("tiny-llama/model"), reference_kernels(DType::kF32), DType::kF32);
  LoraOptions options;
  options.rank = 2;
  Adapter scratch(model.files.config(), options);
  std::vector<Row> rows;
  for (int i = 0; i < 6; ++i) rows.push_back(make_row({3 + i, 17, 40 + i, 9}, 1));
  std::vector<const Row*> pointers;
  for (const Row& row : rows) pointers.push_back(&row);
  CurveTraining training;
  training.batch_size = 3;
  const LossAt loss = loss_on_rows(model.engine, scratch, pointers, training);
  // With the adapter at zero the loss of two steps of three rows is that of all six.
  const Buffer zero(DType::kF32, {scratch.layout().size()}),
      gradient(DType::kF32, {scratch.layout().size()});
  training.batch_size = 6;
  const LossAt whole = loss_on_rows(model.engine, scratch, pointers, training);
  const double halves =
      loss(gradient.view(), zero.view(), 0) + loss(gradient.view(), zero.view(), 1);
  EXPECT_NEAR(halves / 2, whole(gradient.view(), zero.view(), 0), 1e-5);
}

}  // namespace
}  // namespace ilora
