// EWC's quadratic penalty against its closed form. The Fisher information needs a model:
// tests/props/ewc_test.cpp.
#include "continual/importance.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ilora {
namespace {

TEST(QuadraticPenalty, ValueAndGradientAreTheClosedForm) {
  constexpr int64_t kSize = 40000;  // several chunks, the last one short
  const Random random(1, Stream::kTest);
  Anchor anchor(kSize);
  const Buffer theta(DType::kF32, {kSize}), gradient(DType::kF32, {kSize});
  std::vector<double> before(kSize);
  for (int64_t i = 0; i < kSize; ++i) {
    const auto at = static_cast<uint64_t>(4 * i);
    theta.ptr<float>()[i] = static_cast<float>(random.normal(at));
    anchor.values.ptr<float>()[i] = static_cast<float>(random.normal(at + 1));
    anchor.importance.ptr<float>()[i] = static_cast<float>(random.uniform(at + 2));
    gradient.ptr<float>()[i] = static_cast<float>(random.normal(at + 3));
    before[static_cast<size_t>(i)] = static_cast<double>(gradient.ptr<float>()[i]);
  }
  constexpr double kWeight = 3.5;
  const double value = quadratic_penalty(gradient.view(), theta.view(), anchor, kWeight);
  double expected = 0;
  for (int64_t i = 0; i < kSize; ++i) {
    const auto f = static_cast<double>(anchor.importance.ptr<float>()[i]);
    const double d = static_cast<double>(theta.ptr<float>()[i]) -
                     static_cast<double>(anchor.values.ptr<float>()[i]);
    expected += 0.5 * f * d * d;
    ASSERT_NEAR(gradient.ptr<float>()[i], before[static_cast<size_t>(i)] + kWeight * f * d, 1e-5);
  }
  EXPECT_NEAR(value, expected, 1e-6 * expected);

  // At the anchor there is neither value nor pull.
  const Buffer none(DType::kF32, {kSize});
  EXPECT_EQ(quadratic_penalty(none.view(), anchor.values.view(), anchor, kWeight), 0.0);
  for (int64_t i = 0; i < kSize; ++i) ASSERT_EQ(none.ptr<float>()[i], 0.0f);
}

}  // namespace
}  // namespace ilora
