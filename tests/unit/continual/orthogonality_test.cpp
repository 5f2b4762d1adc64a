// O-LoRA's penalty by hand, and its gradient against differences.
#include "continual/orthogonality.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace ilora {
namespace {

Buffer matrix(const std::vector<float>& values, int64_t rows) {
  Buffer made(DType::kF32, {rows, static_cast<int64_t>(values.size()) / rows});
  std::ranges::copy(values, made.view().ptr<float>());
  return made;
}

TEST(Orthogonality, IsTheSumOfAbsoluteProductsOrTheMeanOfCosines) {
  const Buffer a = matrix({3, 4, 0, 0, 0, 2}, 2), b = matrix({1, 0, 0, 0, -5, 0}, 2);
  const Buffer gradient(DType::kF32, {2, 3});
  // Products 3, -20, 0, 0; cosines 0.6, -0.8, 0, 0.
  EXPECT_DOUBLE_EQ(orthogonality_penalty(gradient.view(), a.view(), b.view(), false, 2.0), 23.0);
  const std::vector<float> expected = {2, 10, 0, 0, 0, 0};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(gradient.view().ptr<float>()[i], expected[i]) << i;
  EXPECT_NEAR(orthogonality_penalty(gradient.view(), a.view(), b.view(), true, 1.0), 1.4 / 4,
              1e-12);
}

TEST(Orthogonality, HasTheGradientThatDifferencesSay) {
  const Random random(3, Stream::kTest);
  std::vector<float> values(2 * 3 * 5);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(random.normal(i));
  const Buffer a = matrix({values.begin(), values.begin() + 15}, 3),
               b = matrix({values.begin() + 15, values.end()}, 3);
  const Buffer unused(DType::kF32, {3, 5});
  for (const bool normalise : {false, true}) {
    const Buffer gradient(DType::kF32, {3, 5});
    orthogonality_penalty(gradient.view(), a.view(), b.view(), normalise, 0.7);
    for (int64_t i = 0; i < 15; ++i) {
      float& x = a.view().ptr<float>()[i];
      const float kept = x;
      double sides[2];
      for (const int side : {0, 1}) {
        x = kept + (side == 0 ? -1e-3F : 1e-3F);
        sides[side] = orthogonality_penalty(unused.view(), a.view(), b.view(), normalise, 0.0);
      }
      x = kept;
      EXPECT_NEAR(gradient.view().ptr<float>()[i], 0.7 * (sides[1] - sides[0]) / 2e-3, 2e-3)
          << normalise << " " << i;
    }
  }
}

TEST(Orthogonality, RowsOfZerosAreOrthogonalToAll) {
  const Buffer a = matrix({0, 0, 1, 1}, 2), b = matrix({0, 0, 1, -1}, 2);
  const Buffer gradient(DType::kF32, {2, 2});
  EXPECT_EQ(orthogonality_penalty(gradient.view(), a.view(), b.view(), true, 1.0), 0.0);
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(gradient.view().ptr<float>()[i], 0.0F);
}

}  // namespace
}  // namespace ilora
