// Expansion of stored elements to float32: halves and ggml's 32-element blocks. Called by
// expand_rows alone.
//
// Blocks as ggml defines them (ggml-common.h), d and m being halves, every product and sum rounded
// to float32:
//   Q8_0, 34 bytes: d, 32 signed bytes q              x[i] = d*q[i]
//   Q4_0, 18 bytes: d, 16 bytes of two nibbles        x[i] = d*(q[i] - 8)
//   Q4_1, 20 bytes: d, m, 16 bytes of two nibbles     x[i] = d*q[i] + m
// Low nibbles are elements 0..15, high nibbles 16..31.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ilora {

inline constexpr int64_t kQuantBlock = 32;

// `in` needs no alignment. `blocks` counts blocks of 32, `count` elements.
void expand_f16(float* out, const std::byte* in, int64_t count);
void expand_bf16(float* out, const std::byte* in, int64_t count);
void expand_q8_0(float* out, const std::byte* in, int64_t blocks);
void expand_q4_0(float* out, const std::byte* in, int64_t blocks);
void expand_q4_1(float* out, const std::byte* in, int64_t blocks);

}  // namespace ilora
