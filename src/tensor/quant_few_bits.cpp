#include "tensor/quant_few_bits.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace ilora {
namespace {

constexpr int64_t kHalf = kQuantBlock / 2;

// What the nibbles of IQ4_NL and IQ4_XS stand for (kvalues_iq4nl of ggml).
constexpr int8_t kValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                1,    13,   25,  38,  53,  69,  89,  113};

int byte_at(const std::byte* in, int64_t i) {
  return static_cast<int>(in[i]);
}

void set_scale(IntegerBlock& out, float scale) {
  out.scale[0] = out.scale[1] = scale;
}

// Two bits of each element of group g, of a block whose bytes of them begin at `in`; less `middle`.
void read_pairs(int8_t* q, const std::byte* in, int64_t g, int middle) {
  const std::byte* bytes = in + g / 4 * kQuantBlock;
  const auto shift = static_cast<int>(2 * (g % 4));
  for (int64_t i = 0; i < kQuantBlock; ++i)
    q[i] = static_cast<int8_t>(((byte_at(bytes, i) >> shift) & 3) - middle);
}

void read_q2_k(IntegerBlock& out, const std::byte* in, int64_t g) {
  const float d = read_half(in + 80), m = read_half(in + 82);
  for (int64_t h = 0; h < 2; ++h) {
    const int packed = byte_at(in, 2 * g + h);
    out.scale[h] = d * static_cast<float>(packed & 15);
    out.minimum[h] = -(m * static_cast<float>(packed >> 4));
  }
  read_pairs(out.q, in + 16, g, 0);
}

// Scale k of a Q3_K block, six bits: the low four of k and k + 8 share a byte, the high two of four
// scales another.
int scale_of_q3_k(const std::byte* packed, int64_t k) {
  const int low = k < 8 ? byte_at(packed, k) & 15 : byte_at(packed, k - 8) >> 4;
  return low | ((byte_at(packed, 8 + k % 4) >> (2 * (k / 4))) & 3) << 4;
}

void read_q3_k(IntegerBlock& out, const std::byte* in, int64_t g) {
  const float d = read_half(in + 108);
  for (int64_t h = 0; h < 2; ++h)
    out.scale[h] = d * static_cast<float>(scale_of_q3_k(in + 96, 2 * g + h) - 32);
  read_pairs(out.q, in + 32, g, 4);
  for (int64_t i = 0; i < kQuantBlock; ++i)
    out.q[i] = static_cast<int8_t>(out.q[i] + (((byte_at(in, i) >> g) & 1) << 2));
}

void read_values(int8_t* q, const std::byte* in) {
  for (int64_t i = 0; i < kHalf; ++i) {
    q[i] = kValues[byte_at(in, i) & 15];
    q[i + kHalf] = kValues[byte_at(in, i) >> 4];
  }
}

void read_iq4_xs(IntegerBlock& out, const std::byte* in, int64_t g) {
  uint16_t tops = 0;
  std::memcpy(&tops, in + 2, sizeof tops);
  const int low = (byte_at(in, 4 + g / 2) >> (4 * (g % 2))) & 15;
  const int s = low | ((tops >> (2 * g)) & 3) << 4;
  set_scale(out, read_half(in) * static_cast<float>(s - 32));
  read_values(out.q, in + 8 + g * kHalf);
}

// Digit n of a byte: the byte is the digits' fraction of 256, so that a digit is what a multiplication
// by three carries out of it.
int8_t ternary(const std::byte* in, int64_t at, int64_t n) {
  constexpr int kPowers[] = {1, 3, 9, 27, 81};
  const int rest = (byte_at(in, at) * kPowers[n]) & 255;
  return static_cast<int8_t>((rest * 3 >> 8) - 1);
}

// 32 bytes hold elements 0 .. 159, 16 the next 80, 4 the last 16; digit by digit.
void read_tq1_0(int8_t* q, const std::byte* in, int64_t g) {
  for (int64_t i = 0; i < kQuantBlock; ++i) {
    const int64_t at = g * kQuantBlock + i, second = at - 160, third = at - 240;
    if (second < 0) {
      q[i] = ternary(in, at % 32, at / 32);
    } else if (third < 0) {
      q[i] = ternary(in, 32 + second % 16, second / 16);
    } else {
      q[i] = ternary(in, 48 + third % 4, third / 4);
    }
  }
}

}  // namespace

void read_few_bits(IntegerBlock& out, DType type, const std::byte* in, int64_t group) {
  out.minimum[0] = out.minimum[1] = 0;
  switch (type) {
    case DType::kQ2_K:
      return read_q2_k(out, in, group);
    case DType::kQ3_K:
      return read_q3_k(out, in, group);
    case DType::kIQ4_NL:
      set_scale(out, read_half(in));
      return read_values(out.q, in + 2);
    case DType::kIQ4_XS:
      return read_iq4_xs(out, in, group);
    case DType::kTQ1_0:
      set_scale(out, read_half(in + 52));
      return read_tq1_0(out.q, in, group);
    case DType::kTQ2_0:
      set_scale(out, read_half(in + 64));
      return read_pairs(out.q, in, group, 1);
    default:
      ILORA_CHECK(false, "few bits of {}", dtype_name(type));
  }
}

void expand_few_bits(float* out, DType type, const std::byte* in, int64_t blocks) {
  const int64_t groups = dtype_block(type) / kQuantBlock,
                bytes = dtype_bytes(type, dtype_block(type));
  const bool has_minimum = type == DType::kQ2_K;  // elsewhere a zero keeps its sign
  IntegerBlock block;
  for (int64_t b = 0; b < blocks; ++b, in += bytes) {
    for (int64_t g = 0; g < groups; ++g, out += kQuantBlock) {
      read_few_bits(block, type, in, g);
      for (int64_t i = 0; i < kQuantBlock; ++i) {
        const auto h = static_cast<size_t>(i / kScaleGroup);
        const float product = block.scale[h] * static_cast<float>(block.q[i]);
        out[i] = has_minimum ? product + block.minimum[h] : product;
      }
    }
  }
}

}  // namespace ilora
