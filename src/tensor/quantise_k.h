// float32 to ggml's blocks of 256 elements, Q4_K, Q5_K and Q6_K (their layout: tensor/quant.h). Called by
// tensor/quantise.cpp.
//
// ggml says how a block is read, not how it is found. Here it is the search for the smallest sum of squared errors:
// - Q4_K, Q5_K: each group of 32 is fitted by x = a q - b, a and b >= 0: grids of several widths, each with the a and b of
//   least squares for its integers. d and m are the largest a and b over 63; then each group tries the six-bit s and t next
//   to a/d and b/m.
// - Q6_K: each group of 16 by x = a q, a of either sign; d is the a of largest size over -128, s the integers next to a/d.
// ggml weighs errors by the size of an element instead; the sum is smaller here (tests/golden/quantise_k_test.cpp).
#pragma once

#include <cstddef>

#include "tensor/dtype.h"

namespace ilora {

// One block at `out` of 256 finite elements. Scales beyond F16's range become infinite.
template <DType kType>
void quantise_super_block(std::byte* out, const float* x);

}  // namespace ilora
