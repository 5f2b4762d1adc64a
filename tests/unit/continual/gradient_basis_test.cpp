// The basis that OGD keeps: lengths and angles, what it takes out of a gradient, state.
#include "continual/gradient_basis.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace ilora {
namespace {

constexpr int64_t kSize = 300;

Buffer normals(uint64_t which, double size = 1) {
  const Random random(which, Stream::kTest);
  Buffer made(DType::kF32, {kSize});
  for (int64_t i = 0; i < kSize; ++i)
    made.ptr<float>()[i] = static_cast<float>(size * random.normal(static_cast<uint64_t>(i)));
  return made;
}

double dot(const Buffer& a, const Buffer& b) {
  double sum = 0;
  for (int64_t i = 0; i < kSize; ++i)
    sum += static_cast<double>(a.ptr<float>()[i]) * static_cast<double>(b.ptr<float>()[i]);
  return sum;
}

TEST(GradientBasis, HasVectorsOfLengthOneAtRightAngles) {
  const Kernels& k = cpu_kernels();
  GradientBasis basis;
  for (uint64_t i = 0; i < 12; ++i)
    EXPECT_TRUE(basis.add(k, normals(i, i % 2 == 0 ? 1e-12 : 1e3).view()));
  ASSERT_EQ(basis.size(), 12);
  for (int64_t a = 0; a < 12; ++a)
    for (int64_t b = 0; b <= a; ++b) EXPECT_NEAR(dot(basis[a], basis[b]), a == b ? 1 : 0, 1e-5);
}

TEST(GradientBasis, TakesOutWhatItSpansAndNothingElse) {
  const Kernels& k = cpu_kernels();
  GradientBasis basis;
  EXPECT_EQ(basis.take_out(k, normals(1).view()), 0.0);
  const Buffer a = normals(1), b = normals(2), g = normals(3), before = normals(3);
  basis.add(k, a.view());
  basis.add(k, b.view());
  const double removed = basis.take_out(k, g.view());
  EXPECT_NEAR(dot(g, a) / std::sqrt(dot(a, a) * dot(g, g)), 0, 1e-6);
  EXPECT_NEAR(dot(g, b) / std::sqrt(dot(b, b) * dot(g, g)), 0, 1e-6);
  // Pythagoras: what went and what is left.
  EXPECT_NEAR(removed * removed * dot(before, before) + dot(g, g), dot(before, before), 1e-3);
  const Buffer spanned = normals(1);
  k.axpy(spanned.view(), 0.5, b.view());
  EXPECT_NEAR(basis.take_out(k, spanned.view()), 1.0, 1e-6);
  EXPECT_LT(dot(spanned, spanned), 1e-9);
}

TEST(GradientBasis, AddsNothingThatItSpans) {
  const Kernels& k = cpu_kernels();
  GradientBasis basis;
  EXPECT_TRUE(basis.add(k, normals(1).view()));
  EXPECT_FALSE(basis.add(k, normals(1, -3).view()));
  EXPECT_FALSE(basis.add(k, Buffer(DType::kF32, {kSize}).view()));
  EXPECT_EQ(basis.size(), 1);
}

}  // namespace
}  // namespace ilora
