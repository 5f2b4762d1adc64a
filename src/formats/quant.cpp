#include "formats/quant.h"

#include <bit>
#include <cstring>

#include "tensor/dtype.h"

namespace ilora {
namespace {

uint16_t read_u16(const std::byte* in) {
  uint16_t bits;
  std::memcpy(&bits, in, sizeof bits);
  return bits;
}

// Branch-free, so that a loop over it vectorises: the exponent is rebiased by an exact
// multiplication, which also normalises subnormals; infinities and NaNs get the full exponent.
float half(uint16_t bits) {
  const uint32_t magnitude = (bits & 0x7fffu) << 13;
  const float scaled = std::bit_cast<float>(magnitude) * 0x1p112f;
  const uint32_t full = magnitude >= 0x0f800000u ? 0x7f800000u : 0u;
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | full | sign);
}

constexpr int64_t kHalfBlock = kQuantBlock / 2;

}  // namespace

void expand_f16(float* out, const std::byte* in, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = half(read_u16(in + 2 * i));
}

void expand_bf16(float* out, const std::byte* in, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = to_float(BFloat16{read_u16(in + 2 * i)});
}

void expand_q8_0(float* out, const std::byte* in, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 2 + kQuantBlock, out += kQuantBlock) {
    const float d = half(read_u16(in));
    const std::byte* q = in + 2;
    for (int64_t i = 0; i < kQuantBlock; ++i)
      out[i] = d * static_cast<float>(static_cast<int8_t>(q[i]));
  }
}

void expand_q4_0(float* out, const std::byte* in, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 2 + kHalfBlock, out += kQuantBlock) {
    const float d = half(read_u16(in));
    const std::byte* q = in + 2;
    for (int64_t i = 0; i < kHalfBlock; ++i) {
      const int byte = static_cast<int>(q[i]);
      out[i] = d * static_cast<float>((byte & 15) - 8);
      out[i + kHalfBlock] = d * static_cast<float>((byte >> 4) - 8);
    }
  }
}

void expand_q4_1(float* out, const std::byte* in, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 4 + kHalfBlock, out += kQuantBlock) {
    const float d = half(read_u16(in));
    const float m = half(read_u16(in + 2));
    const std::byte* q = in + 4;
    for (int64_t i = 0; i < kHalfBlock; ++i) {
      const int byte = static_cast<int>(q[i]);
      out[i] = d * static_cast<float>(byte & 15) + m;
      out[i + kHalfBlock] = d * static_cast<float>(byte >> 4) + m;
    }
  }
}

}  // namespace ilora
