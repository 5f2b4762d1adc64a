#include "kernels/byte_matrix.h"

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"
#include "kernels/byte_block.h"

namespace ilora {
namespace {

float element(const Tensor& w, int64_t row, int64_t column) {
  const int64_t at = row * w.stride[0] + column * w.stride[1];
  return w.dtype == DType::kF32 ? w.ptr<float>()[at] : to_float(w.ptr<BFloat16>()[at]);
}

// Output `m` of a panel: terms [first, first + count) of row `row` of w.
void fill(BytePanel& panel, size_t m, const Tensor& w, int64_t row, int64_t first, int64_t count) {
  float values[kByteDepth] = {};
  for (int64_t i = 0; i < count; ++i) values[i] = element(w, row, first + i);
  const auto run = to_byte_run<kByteDepth>(values);
  for (size_t i = 0; i < kByteDepth; ++i) panel.q[i / 4][m][i % 4] = run.q[i];
  panel.scale[m] = run.scale;
  panel.sum[m] = run.sum;
}

}  // namespace

ByteMatrix::ByteMatrix(Tensor w) : outputs_(w.shape[0]), depth_(w.shape[1]) {
  ILORA_CHECK(w.dtype == DType::kF32 || w.dtype == DType::kBF16, "bytes of {}", w.describe());
  panels_.resize(static_cast<size_t>(panels() * blocks()));
  parallel_for(panels(), 1, [&](int64_t p, int64_t) {
    for (int64_t b = 0; b < blocks(); ++b) {
      BytePanel& panel = panels_[static_cast<size_t>(p * blocks() + b)];
      const int64_t first = b * kByteDepth, count = std::min(kByteDepth, depth_ - first);
      for (int64_t m = 0; m < std::min(kByteWidth, outputs_ - p * kByteWidth); ++m)
        fill(panel, static_cast<size_t>(m), w, p * kByteWidth + m, first, count);
    }
  });
}

void require_byte_product(const Tensor& c, const Tensor& x, const ByteMatrix& w, float beta) {
  ILORA_CHECK(c.shape[0] == x.shape[0] && c.shape[1] == w.outputs() && x.shape[1] == w.depth() &&
                  c.stride[1] == 1 && x.stride[1] == 1,
              "byte_product of {} and ({}, {}) into {}", x.describe(), w.outputs(), w.depth(),
              c.describe());
  ILORA_CHECK(beta == 0.0f || beta == 1.0f, "byte_product: beta {}", beta);
}

int64_t ByteMatrix::bytes(int64_t outputs, int64_t depth) {
  const int64_t panels = (outputs + kByteWidth - 1) / kByteWidth;
  const int64_t blocks = (depth + kByteDepth - 1) / kByteDepth;
  return panels * blocks * static_cast<int64_t>(sizeof(BytePanel));
}

}  // namespace ilora
