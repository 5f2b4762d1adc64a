#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace ilora {
namespace {

float at(const Tensor& t, int64_t i, int64_t j) {
  return t.ptr<float>()[i * t.stride[0] + j * t.stride[1]];
}

struct Matrix {
  std::vector<float> values = std::vector<float>(12);
  Tensor view{values.data(), DType::kF32, {3, 4}};
  Matrix() { std::iota(values.begin(), values.end(), 0.0f); }
};

TEST(Tensor, ContiguousViewIsRowMajor) {
  float memory[24];
  const Tensor t(memory, DType::kF32, {2, 3, 4});
  EXPECT_EQ(t.rank, 3);
  EXPECT_EQ(t.stride, (std::array<int64_t, 4>{12, 4, 1, 0}));
  EXPECT_EQ(t.size(), 24);
  EXPECT_EQ(t.bytes(), 96);
  EXPECT_TRUE(t.contiguous());
  EXPECT_EQ(t.describe(), "F32 (2, 3, 4)");
}

TEST(Tensor, TheEmptyOne) {
  const Tensor t;
  EXPECT_FALSE(t);
  EXPECT_EQ(t.size(), 0);
  EXPECT_EQ(t.describe(), "F32 ()");
}

TEST(Tensor, RowsAndColumns) {
  const Matrix m;
  const Tensor rows = m.view.rows(1, 3);
  EXPECT_EQ(rows.describe(), "F32 (2, 4)");
  EXPECT_EQ(at(rows, 0, 0), 4);
  EXPECT_EQ(at(rows, 1, 3), 11);
  EXPECT_TRUE(rows.contiguous());
  const Tensor columns = m.view.columns(1, 3);
  EXPECT_EQ(columns.describe(), "F32 (3, 2)");
  EXPECT_EQ(at(columns, 0, 0), 1);
  EXPECT_EQ(at(columns, 2, 1), 10);
  EXPECT_FALSE(columns.contiguous());
  EXPECT_EQ(at(columns.rows(1, 2), 0, 1), 6);
  EXPECT_EQ(m.view.rows(3, 3).size(), 0);
}

TEST(Tensor, Transposed) {
  const Matrix m;
  const Tensor t = m.view.transposed();
  EXPECT_EQ(t.describe(), "F32 (4, 3)");
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < 3; ++j) EXPECT_EQ(at(t, i, j), at(m.view, j, i));
  }
  EXPECT_FALSE(t.contiguous());
  EXPECT_EQ(at(t.rows(2, 4).columns(1, 2), 1, 0), 7);
}

TEST(Tensor, Reshaped) {
  const Matrix m;
  const Tensor t = m.view.reshaped({2, 6});
  EXPECT_EQ(at(t, 1, 0), 6);
  EXPECT_EQ(m.view.reshaped({2, 3, 2}).stride, (std::array<int64_t, 4>{6, 2, 1, 0}));
}

TEST(Tensor, ADimensionOfOneHasAnyStride) {
  const Matrix m;
  EXPECT_TRUE(m.view.columns(1, 2).rows(0, 1).contiguous());
}

TEST(Tensor, RowsOfQuantisedMatricesBeginAtBlocks) {
  std::byte memory[2 * 2 * 18];
  const Tensor t(memory, DType::kQ4_0, {2, 64});
  EXPECT_EQ(t.rows(1, 2).data, memory + 36);
}

TEST(Tensor, MisuseIsCaught) {
  const Matrix m;
  EXPECT_THROW(m.view.rows(2, 4), Error);
  EXPECT_THROW(m.view.rows(2, 1), Error);
  EXPECT_THROW(m.view.columns(-1, 2), Error);
  EXPECT_THROW(m.view.ptr<double>(), Error);
  EXPECT_THROW(m.view.reshaped({5}), Error);
  EXPECT_THROW(m.view.columns(0, 2).reshaped({6}), Error);
  EXPECT_THROW(m.view.reshaped({2, 3, 2}).transposed(), Error);
  EXPECT_THROW(Tensor(nullptr, DType::kF32, {1, 1, 1, 1, 1}), Error);
}

TEST(Buffer, IsZeroedAlignedAndMovable) {
  Buffer buffer(DType::kF32, {3, 5});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.view().data) % 64, 0u);
  for (int i = 0; i < 15; ++i) EXPECT_EQ(buffer.ptr<float>()[i], 0.0f);
  buffer.ptr<float>()[14] = 2;
  const Buffer moved = std::move(buffer);
  EXPECT_EQ(moved.ptr<float>()[14], 2);
  EXPECT_EQ(moved.view().describe(), "F32 (3, 5)");
}

TEST(Buffer, EmptyOnesHaveNoMemory) {
  EXPECT_FALSE(Buffer().view());
  EXPECT_FALSE(Buffer(DType::kF32, {0, 5}).view());
}

}  // namespace
}  // namespace ilora
