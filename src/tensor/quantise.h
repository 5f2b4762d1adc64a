// float32 to stored elements: halves and ggml's blocks of 32 and, of 256, Q4_K to Q6_K (quantise_k.h; their layout: tensor/quant.h). Called
// where a merged model is written (model/merged.h).
//
// Each block of 32 is rounded as ggml's reference does (quantize_row_*_ref of ggml-quants.c):
//   Q8_0        d = max|x|/127,                  q = round(x/d)
//   Q4_0, Q5_0  d = (x of the largest |x|)/-8 (/-16), q = x/d + 8 (+ 16), rounded, at most 15 (31)
//   Q4_1, Q5_1  m = min x, d = (max x - m)/15 (/31),  q = (x - m)/d, rounded
// d and m are stored as halves, but q is found with their float32 values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tensor/dtype.h"

namespace ilora {

// F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K.
bool is_quantisable(DType type);
std::string quantisable_types();  // their names, for messages

// `count` finite elements, whole blocks of the type. `out` needs no alignment. Beyond F16's range
// elements become infinite, as do a block's scales: whoever writes looks.
void quantise_elements(std::byte* out, DType type, const float* in, int64_t count);

}  // namespace ilora
