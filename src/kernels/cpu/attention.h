// Checks of attention's arguments, shared by its operations.
#pragma once

#include <cstdint>

#include "kernels/cpu/cpu.h"

namespace ilora::cpu {

// t is (rows,heads,width) with a contiguous last dimension.
void require_heads(const Tensor& t, int64_t rows, int64_t heads, int64_t width);
// The inputs of attention fit each other and the spans.
void require_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                       std::span<const AttentionSpan> spans);
void require_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& lse,
                       const AttentionSpans& spans);

}  // namespace ilora::cpu
