#include "model/top_rows.h"

#include <gtest/gtest.h>

#include "kernels/kernels.h"

namespace ilora {
namespace {

Packed pack_of(int64_t rows, int64_t gradient_rows) {
  Packed packed;
  packed.rows = rows;
  packed.gradient_rows = gradient_rows;
  return packed;
}

TEST(TopRows, AreSortedOnceEachAndFilledUpBySegmentsWithAndWithoutGradient) {
  TopRows top;
  top.choose(std::vector<int32_t>{40, 7, 3, 7, 70}, pack_of(96, 48));
  ASSERT_TRUE(top.narrow());
  EXPECT_EQ(top.count(), 32);
  EXPECT_EQ(top.gradient_count(), 16);
}

TEST(TopRows, AreAllWhereMoreThanHalfAreRead) {
  TopRows top;
  std::vector<int32_t> most(49);
  for (size_t i = 0; i < most.size(); ++i) most[i] = static_cast<int32_t>(i);
  top.choose(most, pack_of(96, 96));
  EXPECT_FALSE(top.narrow());
  EXPECT_EQ(top.gradient_count(), 0);
}

TEST(TopRows, AreAllWhereNoRowWithGradientIsRead) {
  TopRows top;
  top.choose(std::vector<int32_t>{80}, pack_of(96, 48));
  EXPECT_FALSE(top.narrow());
}

TEST(TopRows, ScatterUndoesGatherAndLeavesZerosElsewhere) {
  const Kernels& k = reference_kernels(DType::kF64);
  TopRows top;
  top.choose(std::vector<int32_t>{50, 2, 31}, pack_of(64, 32));
  const Buffer x(DType::kF64, {64, 3}), some(DType::kF64, {top.count(), 3}),
      y(DType::kF64, {64, 3});
  for (int64_t i = 0; i < 64 * 3; ++i) x.view().ptr<double>()[i] = static_cast<double>(i + 1);
  k.fill(y.view(), 5.0);
  top.gather(k, some.view(), x.view());
  top.scatter(k, y.view(), some.view());
  for (int64_t row = 0; row < 64; ++row) {
    const bool chosen = row == 2 || row == 31 || row == 50;
    for (int64_t i = row * 3; i < row * 3 + 3; ++i)
      EXPECT_EQ(y.view().ptr<double>()[i], chosen ? x.view().ptr<double>()[i] : 0.0) << row;
  }
}

}  // namespace
}  // namespace ilora
