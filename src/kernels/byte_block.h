// Elements rounded to bytes under one scale, for products of bytes (Kernels::stored_product,
// byte_product): what the reference computes and the fast table computes in vectors, to the same
// bits.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "tensor/quant.h"

namespace ilora {

// A block whose largest magnitude is below this counts as zero: its inverse would overflow.
inline constexpr float kSmallestBlock = 0x1p-100f;

// Neighbouring elements: x[i] is taken for scale * q[i].
template <int64_t kCount>
struct ByteRun {
  int8_t q[kCount];
  float scale;
  int32_t sum;  // of q
};

// scale = max |x| / 127, q[i] = x[i] * (1 / scale) to the nearest integer, ties to even, each
// operation rounded to float32. With a NaN or an infinity among the elements scale is one too, so
// that no product hides it.
template <int64_t kCount>
ByteRun<kCount> to_byte_run(const float* x) {
  uint32_t top = 0;  // as integers magnitudes are ordered, with NaNs above all
  for (int64_t i = 0; i < kCount; ++i)
    top = std::max(top, std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu);
  ByteRun<kCount> run = {};
  if (top < std::bit_cast<uint32_t>(kSmallestBlock)) return run;
  run.scale = std::bit_cast<float>(top) / 127.0f;
  if (!std::isfinite(run.scale)) return run;  // the integers do not matter
  const float inverse = 1.0f / run.scale;
  for (int64_t i = 0; i < kCount; ++i) {
    run.q[i] = static_cast<int8_t>(std::nearbyint(x[i] * inverse));
    run.sum += run.q[i];
  }
  return run;
}

// A block of a row beside a block of stored integers (tensor/quant.h).
using ByteBlock = ByteRun<kQuantBlock>;
inline ByteBlock to_byte_block(const float* x) {
  return to_byte_run<kQuantBlock>(x);
}

}  // namespace ilora
