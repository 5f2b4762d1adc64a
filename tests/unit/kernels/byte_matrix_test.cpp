// Matrices rounded to bytes: how far that takes an element, and that products with them hang on
// nothing but their own row.
#include "kernels/byte_matrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "tests/unit/kernels/block.h"

namespace ilora {
namespace {

using test::Block;

std::vector<float> product(const Kernels& kernels, const Tensor& x, const ByteMatrix& w) {
  std::vector<float> c(static_cast<size_t>(x.shape[0] * w.outputs()));
  kernels.byte_product(Tensor(c.data(), DType::kF32, {x.shape[0], w.outputs()}), x, w, 1.0f, 0.0f);
  return c;
}

TEST(ByteMatrix, AnElementIsOffByHalfAStepOfItsBlock) {
  constexpr int64_t kOutputs = 70, kDepth = 100;
  const Block w(DType::kF32, {kOutputs, kDepth}, 0, 1);
  const ByteMatrix bytes(w.view());
  ASSERT_EQ(bytes.panels(), 2);
  ASSERT_EQ(bytes.blocks(), 2);
  for (int64_t m = 0; m < kOutputs; ++m) {
    for (int64_t k = 0; k < kDepth; ++k) {
      const BytePanel& panel = bytes.panel(m / kByteWidth, k / kByteDepth);
      const auto output = static_cast<size_t>(m % kByteWidth),
                 term = static_cast<size_t>(k % kByteDepth);
      const float value = panel.scale[output] * panel.q[term / 4][output][term % 4];
      EXPECT_NEAR(value, w.view().ptr<float>()[m * kDepth + k], 0.501f * panel.scale[output]);
    }
  }
}

TEST(ByteMatrix, ATransposedViewGivesTheTransposedMatrix) {
  const Block w(DType::kBF16, {40, 90}, 0, 1), x(DType::kF32, {5, 40}, 0, 2);
  std::vector<float> across(40 * 90);
  Tensor copy(across.data(), DType::kF32, {90, 40});
  for (int64_t i = 0; i < 40; ++i) {
    for (int64_t j = 0; j < 90; ++j)
      across[static_cast<size_t>(j * 40 + i)] = to_float(w.view().ptr<BFloat16>()[i * 90 + j]);
  }
  EXPECT_EQ(product(cpu_kernels(), x.view(), ByteMatrix(w.view().transposed())),
            product(cpu_kernels(), x.view(), ByteMatrix(copy)));
}

TEST(ByteProduct, ARowHasTheSameBitsAloneAndOnAnyNumberOfThreads) {
  const Block x(DType::kF32, {101, 200}, 0, 1), w(DType::kF32, {300, 200}, 0, 2);
  const ByteMatrix bytes(w.view());
  const std::vector<float> all = product(cpu_kernels(), x.view(), bytes);
  for (const int threads : {1, 2, 3}) {
    const ScopedThreads scope(threads);
    EXPECT_EQ(product(cpu_kernels(), x.view(), bytes), all) << threads;
  }
  for (const int64_t n : {int64_t{0}, int64_t{50}, int64_t{100}}) {
    const auto row = product(cpu_kernels(), x.view().rows(n, n + 1), bytes);
    EXPECT_EQ(row, std::vector<float>(all.begin() + n * 300, all.begin() + (n + 1) * 300)) << n;
  }
}

TEST(ByteProduct, HidesNoNaNAndNoInfinity) {
  const Block w(DType::kF32, {8, 64}, 0, 2);
  const ByteMatrix bytes(w.view());
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> x(64, 1.0f);
    x[17] = bad;
    for (const Kernels* k : {&cpu_kernels(), &reference_kernels(DType::kF32)}) {
      for (const float c : product(*k, Tensor(x.data(), DType::kF32, {1, 64}), bytes))
        EXPECT_FALSE(std::isfinite(c)) << k->name;
    }
  }
}

TEST(ByteProduct, RefusesShapesThatDoNotFit) {
  const Block w(DType::kF32, {8, 64}, 0, 1), x(DType::kF32, {2, 63}, 0, 2);
  const ByteMatrix bytes(w.view());
  EXPECT_ANY_THROW(product(cpu_kernels(), x.view(), bytes));
}

}  // namespace
}  // namespace ilora
