// Inside stored_product.cpp: a panel of stored rows against rows of bytes. stored_vnni.cpp has the
// one for AVX-512's byte products (avx512_vnni), which Highway 1.0.3 does not know.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace ilora::cpu {

constexpr int64_t kPanel = 16;  // stored rows that are multiplied side by side: outputs

// Rows of x in blocks of bytes (kernels/byte_block.h), all dense.
struct ByteRows {
  int64_t rows = 0, columns = 0;
  int8_t* q = nullptr;        // (rows, columns)
  int32_t* halves = nullptr;  // (rows, columns / 16): sums of q
  float* scale = nullptr;     // (rows, columns / 32)
  float* sum = nullptr;       // (rows, columns / 32): scale times the sum of a block's q
  float* values = nullptr;    // (rows, columns): q as floats; only where the panel reads them
};

// out (x.rows, kPanel) = x times 16 stored rows, transposed. The sums over blocks run in their
// order, for each output alone.
using PanelProduct = void (*)(float* out, DType type, const uint8_t* const* rows,
                              const ByteRows& x);

// The panel product by avx512_vnni; null where this CPU has none, under the cap of ILORA_TARGET.
PanelProduct vnni_panel();

}  // namespace ilora::cpu
