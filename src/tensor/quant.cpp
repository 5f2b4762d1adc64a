#include "tensor/quant.h"

#include "base/error.h"
#include "base/listed.h"
#include "tensor/quant_few_bits.h"

namespace ilora {
namespace {

uint16_t read_u16(const std::byte* in) {
  uint16_t bits = 0;
  std::memcpy(&bits, in, sizeof bits);
  return bits;
}

constexpr int64_t kHalfBlock = kQuantBlock / 2;

int low_nibble(std::byte byte) {
  return static_cast<int>(byte) & 15;
}
int high_nibble(std::byte byte) {
  return static_cast<int>(byte) >> 4;
}

// The integers of a block of Q5_0 or Q5_1, behind its halves.
void read_fives(int* q, const std::byte* in) {
  uint32_t fifth = 0;
  std::memcpy(&fifth, in, sizeof fifth);
  in += sizeof fifth;
  for (int64_t i = 0; i < kHalfBlock; ++i) {
    q[i] = low_nibble(in[i]) | static_cast<int>((fifth >> i) & 1) << 4;
    q[i + kHalfBlock] = high_nibble(in[i]) | static_cast<int>((fifth >> (i + kHalfBlock)) & 1) << 4;
  }
}

// Scale and minimum of group g of a Q4_K or Q5_K block, six bits each. Those of groups 0..3 are the
// low six bits of bytes 0..3 and 4..7; those of groups 4..7 have their low four bits in the nibbles
// of bytes 8..11 and their high two above the first ones'.
struct Group {
  int scale, minimum;
};
Group read_group(const std::byte* packed, int64_t g) {
  const auto at = [packed](int64_t i) { return static_cast<int>(packed[i]); };
  if (g < 4) return {at(g) & 63, at(g + 4) & 63};
  return {(at(g + 4) & 15) | (at(g - 4) >> 6) << 4, (at(g + 4) >> 4) | (at(g) >> 6) << 4};
}

// Q4_K and Q5_K differ in the fifth bits: bit g of byte i is that of element i of group g.
template <bool kFifthBits>
void expand_q45_k(float* out, const std::byte* in, int64_t blocks) {
  constexpr int64_t kHeader = 4, kScales = 12, kFifths = kFifthBits ? 32 : 0;
  for (int64_t b = 0; b < blocks; ++b) {
    const float d = read_half(in);
    const float m = read_half(in + 2);
    const std::byte* packed = in + kHeader;
    const std::byte* fifths = packed + kScales;
    const std::byte* nibbles = fifths + kFifths;
    for (int64_t g = 0; g < kSuperBlock / kQuantBlock; ++g, out += kQuantBlock) {
      const Group group = read_group(packed, g);
      const float scale = d * static_cast<float>(group.scale);
      const float minimum = m * static_cast<float>(group.minimum);
      const std::byte* pairs = nibbles + g / 2 * kQuantBlock;
      for (int64_t i = 0; i < kQuantBlock; ++i) {
        int q = g % 2 == 0 ? low_nibble(pairs[i]) : high_nibble(pairs[i]);
        if constexpr (kFifthBits) q |= ((static_cast<int>(fifths[i]) >> g) & 1) << 4;
        out[i] = scale * static_cast<float>(q) - minimum;
      }
    }
    in = nibbles + kSuperBlock / 2;
  }
}

}  // namespace

void expand_f16(float* out, const std::byte* in, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = half_to_float(read_u16(in + 2 * i));
}

void expand_bf16(float* out, const std::byte* in, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = to_float(BFloat16{read_u16(in + 2 * i)});
}

void expand_q8_0(float* out, const std::byte* in, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 2 + kQuantBlock, out += kQuantBlock) {
    const float d = read_half(in);
    const std::byte* q = in + 2;
    for (int64_t i = 0; i < kQuantBlock; ++i)
      out[i] = d * static_cast<float>(static_cast<int8_t>(q[i]));
  }
}

void expand_q4_0(float* out, const std::byte* in, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 2 + kHalfBlock, out += kQuantBlock) {
    const float d = read_half(in);
    const std::byte* q = in + 2;
    for (int64_t i = 0; i < kHalfBlock; ++i) {
      out[i] = d * static_cast<float>(low_nibble(q[i]) - 8);
      out[i + kHalfBlock] = d * static_cast<float>(high_nibble(q[i]) - 8);
    }
  }
}

void expand_q4_1(float* out, const std::byte* in, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 4 + kHalfBlock, out += kQuantBlock) {
    const float d = read_half(in);
    const float m = read_half(in + 2);
    const std::byte* q = in + 4;
    for (int64_t i = 0; i < kHalfBlock; ++i) {
      out[i] = d * static_cast<float>(low_nibble(q[i])) + m;
      out[i + kHalfBlock] = d * static_cast<float>(high_nibble(q[i])) + m;
    }
  }
}

void expand_q5_0(float* out, const std::byte* in, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 6 + kHalfBlock, out += kQuantBlock) {
    const float d = read_half(in);
    int q[kQuantBlock];
    read_fives(q, in + 2);
    for (int64_t i = 0; i < kQuantBlock; ++i) out[i] = d * static_cast<float>(q[i] - 16);
  }
}

void expand_q5_1(float* out, const std::byte* in, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, in += 8 + kHalfBlock, out += kQuantBlock) {
    const float d = read_half(in);
    const float m = read_half(in + 2);
    int q[kQuantBlock];
    read_fives(q, in + 4);
    for (int64_t i = 0; i < kQuantBlock; ++i) out[i] = d * static_cast<float>(q[i]) + m;
  }
}

void expand_q4_k(float* out, const std::byte* in, int64_t blocks) {
  expand_q45_k<false>(out, in, blocks);
}

void expand_q5_k(float* out, const std::byte* in, int64_t blocks) {
  expand_q45_k<true>(out, in, blocks);
}

void expand_q6_k(float* out, const std::byte* in, int64_t blocks) {
  constexpr int64_t kGroup = 16, kPart = kSuperBlock / 2, kQuarter = kPart / 4;
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* nibbles = in;
    const std::byte* tops = nibbles + kSuperBlock / 2;  // of element i of quarter k: bits 2k, 2k+1
    const std::byte* scales = tops + kSuperBlock / 4;
    const float d = read_half(scales + kSuperBlock / kGroup);
    for (int64_t part = 0; part < 2; ++part) {
      for (int64_t quarter = 0; quarter < 4; ++quarter) {
        const std::byte* pairs = nibbles + quarter % 2 * kQuarter;
        for (int64_t i = 0; i < kQuarter; ++i) {
          const int low = quarter < 2 ? low_nibble(pairs[i]) : high_nibble(pairs[i]);
          const int top = (static_cast<int>(tops[i]) >> (2 * quarter)) & 3;
          const auto s = static_cast<int8_t>(scales[(quarter * kQuarter + i) / kGroup]);
          out[i] = d * static_cast<float>(s) * static_cast<float>((low | top << 4) - 32);
        }
        out += kQuarter;
      }
      nibbles += kPart / 2;
      tops += kPart / 4;
      scales += kPart / kGroup;
    }
    in = scales + sizeof(uint16_t);
  }
}

namespace {

void expand_f32(float* out, const std::byte* in, int64_t count) {
  std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
}

struct Expansion {
  DType type;
  void (*expand)(float* out, const std::byte* in, int64_t blocks);
};
constexpr Expansion kExpansions[] = {{DType::kF32, expand_f32},
                                     {DType::kF16, expand_f16},
                                     {DType::kBF16, expand_bf16},
                                     {DType::kQ8_0, expand_q8_0},
                                     {DType::kQ4_0, expand_q4_0},
                                     {DType::kQ4_1, expand_q4_1},
                                     {DType::kQ5_0, expand_q5_0},
                                     {DType::kQ5_1, expand_q5_1},
                                     {DType::kQ4_K, expand_q4_k},
                                     {DType::kQ5_K, expand_q5_k},
                                     {DType::kQ6_K, expand_q6_k},
                                     {DType::kQ2_K, expand_few_bits<DType::kQ2_K>},
                                     {DType::kQ3_K, expand_few_bits<DType::kQ3_K>},
                                     {DType::kIQ4_NL, expand_few_bits<DType::kIQ4_NL>},
                                     {DType::kIQ4_XS, expand_few_bits<DType::kIQ4_XS>},
                                     {DType::kTQ1_0, expand_few_bits<DType::kTQ1_0>},
                                     {DType::kTQ2_0, expand_few_bits<DType::kTQ2_0>}};

const Expansion* expansion_of(DType type) {
  for (const Expansion& expansion : kExpansions) {
    if (expansion.type == type) return &expansion;
  }
  return nullptr;
}

}  // namespace

bool is_expandable(DType type) {
  return expansion_of(type) != nullptr;
}

std::string expandable_types() {
  return listed(kExpansions, [](const Expansion& e) { return dtype_name(e.type); });
}

void expand_elements(float* out, DType type, const std::byte* in, int64_t count) {
  const Expansion* expansion = expansion_of(type);
  ILORA_CHECK(expansion != nullptr, "expand_elements of {}", dtype_name(type));
  expansion->expand(out, in, count / dtype_block(type));
}

void require_expandable(const Tensor& y, const Tensor& x, std::span<const int32_t> rows) {
  ILORA_CHECK(y.rank == 2 && x.rank == 2 && y.shape[1] == x.shape[1] && y.stride[1] == 1 &&
                  x.contiguous() && is_expandable(x.dtype),
              "expand of {} into {}", x.describe(), y.describe());
  ILORA_CHECK(
      rows.empty() ? y.shape[0] <= x.shape[0] : y.shape[0] == static_cast<int64_t>(rows.size()),
      "expand: {} rows of {} into {}", rows.size(), x.describe(), y.describe());
  for (const int32_t row : rows)
    ILORA_CHECK(row < x.shape[0], "expand: row {} of {}", row, x.describe());
}

}  // namespace ilora
