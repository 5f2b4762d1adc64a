// Rows rounded to bytes for products with stored integers (Kernels::stored_product): what the
// reference computes and the fast table computes in vectors, to the same bits.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "tensor/quant.h"

namespace ilora {

// A block whose largest magnitude is below this counts as zero: its inverse would overflow.
inline constexpr float kSmallestBlock = 0x1p-100f;

// 32 elements of a row: x[i] is taken for scale * q[i].
struct ByteBlock {
  int8_t q[kQuantBlock];
  float scale;
  int32_t sum;  // of q
};

// scale = max |x| / 127, q[i] = x[i] * (1 / scale) to the nearest integer, ties to even, each
// operation rounded to float32. With a NaN or an infinity among the elements scale is one too, so
// that no product hides it.
inline ByteBlock to_byte_block(const float* x) {
  uint32_t top = 0;  // as integers magnitudes are ordered, with NaNs above all
  for (int64_t i = 0; i < kQuantBlock; ++i)
    top = std::max(top, std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu);
  ByteBlock block = {};
  if (top < std::bit_cast<uint32_t>(kSmallestBlock)) return block;
  block.scale = std::bit_cast<float>(top) / 127.0f;
  if (!std::isfinite(block.scale)) return block;  // the integers do not matter
  const float inverse = 1.0f / block.scale;
  for (int64_t i = 0; i < kQuantBlock; ++i) {
    block.q[i] = static_cast<int8_t>(std::nearbyint(x[i] * inverse));
    block.sum += block.q[i];
  }
  return block;
}

}  // namespace ilora
