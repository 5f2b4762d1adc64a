// Orthonormal rows against the factors of a product worked out by hand, and what they promise.
#include "continual/orthonormal.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ilora {
namespace {

TEST(Orthonormal, IsTheQOfAHandComputedProduct) {
  // (3,4,0), (5,0,0), (1,1,2): the second is 3 (0.6,0.8,0) + 4 (0.8,-0.6,0), the third 1.4 of the first,
  // 0.2 of the second and (0,0,2).
  const Buffer rows(DType::kF32, {3, 3});
  const std::vector<float> given = {3, 4, 0, 5, 0, 0, 1, 1, 2},
                           expected = {0.6F, 0.8F, 0, 0.8F, -0.6F, 0, 0, 0, 1};
  std::ranges::copy(given, rows.view().ptr<float>());
  EXPECT_EQ(orthonormalise_rows(rows.view()), 3);
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(rows.view().ptr<float>()[i], expected[i], 1e-7) << i;
}

TEST(Orthonormal, LeavesRowsOfLengthOneAtRightAngles) {
  constexpr int64_t kRows = 8, kWidth = 40;
  const Random random(7, Stream::kTest);
  const Buffer rows(DType::kF32, {kRows, kWidth});
  float* x = rows.view().ptr<float>();
  for (int64_t i = 0; i < kRows * kWidth; ++i)
    x[i] = static_cast<float>(random.normal(static_cast<uint64_t>(i)));
  for (int64_t i = 0; i < kWidth; ++i)
    x[kWidth + i] = x[i] + 1e-3F * x[kWidth + i];  // nearly one line
  const std::vector<float> before(x, x + kRows * kWidth);
  EXPECT_EQ(orthonormalise_rows(rows.view()), kRows);
  for (int64_t a = 0; a < kRows; ++a) {
    double with_own = 0;
    for (int64_t i = 0; i < kWidth; ++i)
      with_own += static_cast<double>(before[static_cast<size_t>(a * kWidth + i)]) *
                  static_cast<double>(x[a * kWidth + i]);
    EXPECT_GT(with_own, 0) << "R's diagonal is positive";
    for (int64_t b = 0; b <= a; ++b) {
      double product = 0;
      for (int64_t i = 0; i < kWidth; ++i)
        product += static_cast<double>(x[a * kWidth + i]) * static_cast<double>(x[b * kWidth + i]);
      EXPECT_NEAR(product, a == b ? 1.0 : 0.0, 1e-6) << a << " " << b;
    }
  }
}

TEST(Orthonormal, ARowThatOthersSpanBecomesZero) {
  const Buffer rows(DType::kF32, {3, 2});
  const std::vector<float> given = {1, 2, -2, -4, 3, 1};
  std::ranges::copy(given, rows.view().ptr<float>());
  EXPECT_EQ(orthonormalise_rows(rows.view()), 2);
  EXPECT_EQ(rows.view().ptr<float>()[2], 0.0F);
  EXPECT_EQ(rows.view().ptr<float>()[3], 0.0F);
}

}  // namespace
}  // namespace ilora
