// Products with stored weights: that the integers of blocks are what expanding them gives, how far
// rounding a row to bytes takes a product, and that no row hangs on those beside it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/byte_block.h"
#include "kernels/kernels.h"
#include "tensor/quant_integers.h"
#include "tests/unit/kernels/block.h"

namespace ilora {
namespace {

using test::Block;
using test::kBlockTypes;
using test::StoredBlock;

constexpr int64_t kColumns = 768;

TEST(StoredIntegers, AreTheElementsOfTheirBlock) {
  for (const DType type : kBlockTypes) {
    const StoredBlock stored(type, 1, kColumns);
    const auto* bytes = static_cast<const std::byte*>(stored.view().data);
    std::vector<float> expected(kColumns), actual;
    expand_elements(expected.data(), type, bytes, kColumns);
    for (int64_t b = 0; b < kColumns / kQuantBlock; ++b) {
      IntegerBlock block;
      read_integers(block, type, bytes, b);
      for (int64_t i = 0; i < kQuantBlock; ++i)
        actual.push_back(block.scale[i / kScaleGroup] * static_cast<float>(block.q[i]) +
                         block.minimum[i / kScaleGroup]);
    }
    EXPECT_EQ(actual, expected) << dtype_name(type);
  }
}

TEST(ByteBlocks, KeepTheLargestElementAndRoundTheOthersToEven) {
  float x[kQuantBlock] = {};
  x[0] = -127;
  x[1] = 2.5;
  x[2] = 3.5;
  x[31] = 1;
  const ByteBlock block = to_byte_block(x);
  EXPECT_EQ(block.scale, 1.0f);
  EXPECT_EQ(block.q[0], -127);
  EXPECT_EQ(block.q[1], 2);
  EXPECT_EQ(block.q[2], 4);
  EXPECT_EQ(block.sum, -120);
  x[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(to_byte_block(x).scale));
  const float tiny[kQuantBlock] = {1e-40f, -1e-35f};
  EXPECT_EQ(to_byte_block(tiny).scale, 0.0f);
}

Buffer product(const Kernels& k, const Tensor& x, const Tensor& w) {
  Buffer c(DType::kF32, {x.shape[0], w.shape[0]});
  k.stored_product(c.view(), x, w, {}, 1.0f, 0.0f);
  return c;
}

// A byte holds an element to 1/254 of its block's largest: for normal numbers a product's error is
// about 0.7 % of its size, as the root of the mean square goes.
TEST(StoredProduct, IsNearTheExactOne) {
  constexpr int64_t kOutputs = 48;
  const Block x(DType::kF32, {4, kColumns}, 0, 1);
  for (const DType type : kBlockTypes) {
    const StoredBlock w(type, kOutputs, kColumns);
    Buffer expanded(DType::kF32, {kOutputs, kColumns}), exact(DType::kF32, {4, kOutputs});
    cpu_kernels().expand(expanded.view(), w.view(), {});
    cpu_kernels().gemm(exact.view(), x.view(), expanded.view().transposed(), 1.0f, 0.0f);
    const Buffer c = product(cpu_kernels(), x.view(), w.view());
    double error = 0, size = 0;
    for (int64_t i = 0; i < exact.view().size(); ++i) {
      const double y = static_cast<double>(exact.ptr<float>()[i]);
      error += std::pow(static_cast<double>(c.ptr<float>()[i]) - y, 2);
      size += y * y;
    }
    EXPECT_LE(std::sqrt(error / size), 0.012) << dtype_name(type);
    EXPECT_GT(std::sqrt(error / size), 1e-4) << dtype_name(type);
  }
}

TEST(StoredProduct, OfARowDoesNotHangOnTheOthers) {
  for (const DType type : kBlockTypes) {
    const StoredBlock w(type, 37, kColumns);
    const Block x(DType::kF32, {31, kColumns}, 0, 1);
    const Buffer all = product(cpu_kernels(), x.view(), w.view());
    for (const int64_t count : {1, 2, 3, 7, 16}) {
      for (int64_t first = 0; first + count <= 31; first += count) {
        const Buffer some = product(cpu_kernels(), x.view().rows(first, first + count), w.view());
        EXPECT_EQ(std::memcmp(some.ptr<float>(), all.ptr<float>() + first * 37,
                              static_cast<size_t>(count * 37) * sizeof(float)),
                  0)
            << dtype_name(type) << " rows " << first << "+" << count;
      }
    }
  }
}

TEST(StoredProduct, HidesNoNaNAndNoInfinity) {
  const StoredBlock w(DType::kQ4_1, 20, 64);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    Block x(DType::kF32, {2, 64}, 0, 1);
    x.set(1, 40, static_cast<double>(bad));
    for (const Kernels* k : {&cpu_kernels(), &reference_kernels(DType::kF32)}) {
      const Buffer c = product(*k, x.view(), w.view());
      for (int64_t i = 0; i < 40; ++i)
        EXPECT_EQ(std::isfinite(c.ptr<float>()[i]), i < 20) << k->name << " " << i;
    }
  }
}

TEST(StoredProduct, RefusesWhatItCannotRead) {
  const Block x(DType::kF32, {1, 64}, 0, 1), plain(DType::kF32, {4, 64}, 0, 1);
  const StoredBlock w(DType::kQ4_1, 4, 64);
  Buffer c(DType::kF32, {1, 4});
  const std::vector<int32_t> outside = {0, 1, 2, 4};
  for (const Kernels* k : {&cpu_kernels(), &reference_kernels(DType::kF32)}) {
    EXPECT_ANY_THROW(k->stored_product(c.view(), x.view(), plain.view(), {}, 1.0f, 0.0f));
    EXPECT_ANY_THROW(k->stored_product(c.view(), x.view(), w.view(), outside, 1.0f, 0.0f));
  }
}

}  // namespace
}  // namespace ilora
