// Element types, their sizes and conversions.
#pragma once

#include <bit>
#include <complex>
#include <cstdint>

namespace ilora {

// kF64 and kC128 exist for tests alone: the reference kernels run in them as the oracle of every
// gradient.
// From kQ8_0 on: ggml's quantised types, whose elements are stored in blocks (tensor/quant.h).
enum class DType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kF64,
  kC128,
  kI32,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kQ2_K,
  kQ3_K,
  kIQ4_NL,
  kIQ4_XS,
  kTQ1_0,
  kTQ2_0,
};

const char* dtype_name(DType dtype);
// Elements that are stored together: 1, or the block of a quantised type, 32 or 256.
int64_t dtype_block(DType dtype);
// Bytes of `count` elements, which must be whole blocks.
int64_t dtype_bytes(DType dtype, int64_t count);

struct BFloat16 {
  uint16_t bits = 0;
};
struct Float16 {
  uint16_t bits = 0;
};

inline float to_float(BFloat16 x) {
  return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16);
}

// Round to nearest, ties to even; a NaN stays a (quiet) NaN.
inline BFloat16 to_bfloat16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

float to_float(Float16 x);
Float16 to_float16(float x);

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kF32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kF64;
};
template <>
struct DTypeOf<std::complex<double>> {
  static constexpr DType value = DType::kC128;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::kBF16;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::kI32;
};

}  // namespace ilora
