// Inside byte_product.cpp: a few rows of bytes against a panel of a matrix of bytes. byte_vnni.cpp
// has the one for AVX-512's byte products (avx512_vnni), which Highway 1.0.3 does not know.
#pragma once

#include <cstdint>

#include "kernels/byte_matrix.h"

namespace ilora::cpu {

// Rows in blocks of kByteDepth bytes, dense; each byte is the integer plus 128, as AVX-512's products
// take one unsigned operand.
struct UnsignedRows {
  int64_t blocks = 0;
  const uint8_t* q = nullptr;    // (rows, blocks * kByteDepth)
  const float* scale = nullptr;  // (rows, blocks)
  UnsignedRows from(int64_t row) const {
    return {blocks, q + row * blocks * kByteDepth, scale + row * blocks};
  }
};

constexpr int64_t kTileRows = 6;  // with 64 outputs: 24 of the 32 registers are sums

// out (rows, kByteWidth) = the first `rows` <= kTileRows rows of x times panels [0, x.blocks). Sums
// within a block are exact; blocks are added in their order by multiply-add.
using ByteTile = void (*)(float* out, const UnsignedRows& x, const BytePanel* panels, int64_t rows);

// q (kByteDepth) = x (kByteDepth) F32|BF16 as to_byte_run() rounds it, each integer plus 128; returns
// its scale.
using RoundBlock = float (*)(uint8_t* q, const void* x);

// The code by avx512_vnni; null where this CPU has none, under the cap of ILORA_TARGET.
struct VnniCode {
  ByteTile tile = nullptr;
  RoundBlock round_f32 = nullptr, round_bf16 = nullptr;
};
VnniCode vnni_code();

}  // namespace ilora::cpu
