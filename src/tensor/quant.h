// Expansion of stored elements to float32: halves and ggml's blocks of 32 or 256 elements. Called
// when weights are loaded (formats/) or used (kernels/).
//
// Blocks as ggml defines them (ggml-common.h), their fields in this order, every product and sum
// rounded to float32. d and m are halves, q the elements' integers.
//   Q8_0,  34 bytes: d, 32 signed bytes q                     x[i] = d*q[i]
//   Q4_0,  18 bytes: d, 16 bytes of nibbles                   x[i] = d*(q[i] - 8)
//   Q4_1,  20 bytes: d, m, 16 bytes of nibbles                x[i] = d*q[i] + m
//   Q5_0,  22 bytes: d, 32 fifth bits, 16 bytes of nibbles    x[i] = d*(q[i] - 16)
//   Q5_1,  24 bytes: d, m, 32 fifth bits, 16 bytes of nibbles x[i] = d*q[i] + m
// Low nibbles are elements 0..15, high nibbles 16..31.
//
// The "K" types have blocks of 256 elements, in groups with scales s and minima t of few bits:
//   Q4_K, 144 bytes: d, m, 12 bytes of s and t, 128 bytes of nibbles; groups of 32
//   Q5_K, 176 bytes: d, m, 12 bytes of s and t, 32 bytes of fifth bits, 128 bytes of nibbles
//                                                             x[i] = (d*s)*q[i] - m*t
//   Q6_K, 210 bytes: 128 bytes of nibbles, 64 bytes of bits five and six, 16 signed bytes s, d;
//                    groups of 16                             x[i] = (d*s)*(q[i] - 32)
// Of 64 elements (Q6_K: 128) the low nibbles are the first half, the high ones the second.
//   Q2_K, Q3_K, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0: tensor/quant_few_bits.h
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace ilora {

inline constexpr int64_t kQuantBlock = 32;
inline constexpr int64_t kSuperBlock = 256;  // of the K types

// Branch-free, so that a loop over it vectorises: the exponent is rebiased by an exact
// multiplication, which also normalises subnormals; infinities and NaNs get the full exponent.
inline float half_to_float(uint16_t bits) {
  const uint32_t magnitude = (bits & 0x7fffu) << 13;
  const float scaled = std::bit_cast<float>(magnitude) * 0x1p112f;
  const uint32_t full = magnitude >= 0x0f800000u ? 0x7f800000u : 0u;
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | full | sign);
}
inline float read_half(const void* in) {
  uint16_t bits = 0;
  std::memcpy(&bits, in, sizeof bits);
  return half_to_float(bits);
}

// Whether expand_elements() knows a type.
bool is_expandable(DType type);
std::string expandable_types();  // their names, for messages: "F32, F16, ..."
// `count` elements of a stored type (whole blocks). `in` needs no alignment.
void expand_elements(float* out, DType type, const std::byte* in, int64_t count);

// Fails unless rows `rows` (empty: the first ones in order) of x can be expanded into y, as
// Kernels::expand asks.
void require_expandable(const Tensor& y, const Tensor& x, std::span<const int32_t> rows);

// `in` needs no alignment. `blocks` counts blocks of the type, `count` elements.
void expand_f16(float* out, const std::byte* in, int64_t count);
void expand_bf16(float* out, const std::byte* in, int64_t count);
void expand_q8_0(float* out, const std::byte* in, int64_t blocks);
void expand_q4_0(float* out, const std::byte* in, int64_t blocks);
void expand_q4_1(float* out, const std::byte* in, int64_t blocks);
void expand_q5_0(float* out, const std::byte* in, int64_t blocks);
void expand_q5_1(float* out, const std::byte* in, int64_t blocks);
void expand_q4_k(float* out, const std::byte* in, int64_t blocks);
void expand_q5_k(float* out, const std::byte* in, int64_t blocks);
void expand_q6_k(float* out, const std::byte* in, int64_t blocks);

}  // namespace ilora
