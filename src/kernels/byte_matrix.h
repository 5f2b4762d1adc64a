// A matrix rounded to bytes for products with rows of bytes (Kernels::byte_product): 64 terms of an
// output share a scale, so that one large element spoils only its neighbours.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace ilora {

inline constexpr int64_t kByteDepth = 64;  // terms under one scale
inline constexpr int64_t kByteWidth = 64;  // outputs that lie side by side

// 64 terms of 64 outputs: element (term 4i+j, output m) is q[i][m][j], so that byte products of
// four terms read 16 outputs at once.
struct alignas(64) BytePanel {
  std::array<std::array<std::array<int8_t, 4>, kByteWidth>, kByteDepth / 4> q;
  std::array<float, kByteWidth> scale;  // an element is scale[m] * q
  std::array<int32_t, kByteWidth> sum;  // of an output's q
};

// (outputs, depth); zeros fill the last panels up.
class ByteMatrix {
 public:
  ByteMatrix() = default;
  // Rounds w (outputs, depth) F32|BF16, perhaps a transposed view, by to_byte_run
  // (kernels/byte_block.h).
  explicit ByteMatrix(Tensor w);

  explicit operator bool() const { return outputs_ > 0; }
  int64_t outputs() const { return outputs_; }
  int64_t depth() const { return depth_; }
  int64_t blocks() const { return (depth_ + kByteDepth - 1) / kByteDepth; }    // along the depth
  int64_t panels() const { return (outputs_ + kByteWidth - 1) / kByteWidth; }  // along the outputs
  const BytePanel& panel(int64_t panel, int64_t block) const {
    return panels_[static_cast<size_t>(panel * blocks() + block)];
  }
  int64_t bytes() const { return bytes(outputs_, depth_); }
  static int64_t bytes(int64_t outputs, int64_t depth);

 private:
  int64_t outputs_ = 0, depth_ = 0;
  std::vector<BytePanel> panels_;  // by panel, then block
};

// Throws Error(kInternal) unless c (N,M) F32|BF16 and x (N,K) fit w (M,K) and beta is 0 or 1: what
// Kernels::byte_product asks.
void require_byte_product(const Tensor& c, const Tensor& x, const ByteMatrix& w, float beta);

}  // namespace ilora
