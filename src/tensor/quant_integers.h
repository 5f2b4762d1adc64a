// The integers of stored blocks, for products that multiply them as they are. Called by
// Kernels::stored_product; blocks: tensor/quant.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"
#include "tensor/quant.h"
#include "tensor/tensor.h"

namespace ilora {

inline constexpr int64_t kScaleGroup = 16;  // elements that surely share a scale

// 32 elements: x[i] = scale[i / 16] * q[i] + minimum[i / 16], with the rounding of quant.h; minima are
// 0 in types that have none. Scales are equal but in Q6_K, Q3_K and Q2_K, minima but in Q2_K.
struct IntegerBlock {
  int8_t q[kQuantBlock];
  float scale[2];
  float minimum[2];
};

// Whether read_integers knows a type: all that are stored in blocks.
bool has_integers(DType type);
// Elements [32 block, 32 block + 32) of a row that begins at `row`, which needs no alignment.
void read_integers(IntegerBlock& out, DType type, const std::byte* row, int64_t block);
// Fails unless c, x and rows `rows` (empty: the first ones in order) of w are as
// Kernels::stored_product asks.
void require_stored_product(const Tensor& c, const Tensor& x, const Tensor& w,
                            std::span<const int32_t> rows);

}  // namespace ilora
