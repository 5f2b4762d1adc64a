#include "tensor/quant_integers.h"

#include "base/error.h"
#include "tensor/quant_few_bits.h"

namespace ilora {
namespace {

constexpr int64_t kHalf = kQuantBlock / 2;

int8_t low(std::byte byte) {
  return static_cast<int8_t>(static_cast<int>(byte) & 15);
}
int8_t high(std::byte byte) {
  return static_cast<int8_t>(static_cast<int>(byte) >> 4);
}

// 16 bytes of nibbles, the low ones first.
void read_nibbles(int8_t* q, const std::byte* in) {
  for (int64_t i = 0; i < kHalf; ++i) {
    q[i] = low(in[i]);
    q[i + kHalf] = high(in[i]);
  }
}

void add_to_all(int8_t* q, int value) {
  for (int64_t i = 0; i < kQuantBlock; ++i) q[i] = static_cast<int8_t>(q[i] + value);
}

// Bit i of four bytes is the fifth of element i.
void add_fifths(int8_t* q, const std::byte* in) {
  uint32_t bits = 0;
  std::memcpy(&bits, in, sizeof bits);
  for (int64_t i = 0; i < kQuantBlock; ++i)
    q[i] = static_cast<int8_t>(q[i] | static_cast<int>((bits >> i) & 1) << 4);
}

// The types of one block of 32, which begin with d and, with a minimum, m.
void read_small(IntegerBlock& out, DType type, const std::byte* in) {
  const bool has_minimum = type == DType::kQ4_1 || type == DType::kQ5_1;
  out.scale[0] = out.scale[1] = read_half(in);
  out.minimum[0] = out.minimum[1] = has_minimum ? read_half(in + 2) : 0.0f;
  in += has_minimum ? 4 : 2;
  if (type == DType::kQ8_0) {
    std::memcpy(out.q, in, kQuantBlock);
    return;
  }
  const bool five = type == DType::kQ5_0 || type == DType::kQ5_1;
  read_nibbles(out.q, five ? in + 4 : in);
  if (five) add_fifths(out.q, in);
  if (type == DType::kQ4_0) add_to_all(out.q, -8);
  if (type == DType::kQ5_0) add_to_all(out.q, -16);
}

// Group g of a Q4_K or Q5_K block.
void read_q45_k(IntegerBlock& out, const std::byte* in, int64_t g, bool five) {
  const std::byte* packed = in + 4;
  const auto at = [packed](int64_t i) { return static_cast<int>(packed[i]); };
  const int s = g < 4 ? at(g) & 63 : (at(g + 4) & 15) | (at(g - 4) >> 6) << 4;
  const int t = g < 4 ? at(g + 4) & 63 : (at(g + 4) >> 4) | (at(g) >> 6) << 4;
  out.scale[0] = out.scale[1] = read_half(in) * static_cast<float>(s);
  out.minimum[0] = out.minimum[1] = -(read_half(in + 2) * static_cast<float>(t));
  const std::byte* fifths = packed + 12;
  const std::byte* pairs = fifths + (five ? kQuantBlock : 0) + g / 2 * kQuantBlock;
  for (int64_t i = 0; i < kQuantBlock; ++i) {
    int q = g % 2 == 0 ? low(pairs[i]) : high(pairs[i]);
    if (five) q |= ((static_cast<int>(fifths[i]) >> g) & 1) << 4;
    out.q[i] = static_cast<int8_t>(q);
  }
}

// Quarter g % 4 of half g / 4 of a Q6_K block.
void read_q6_k(IntegerBlock& out, const std::byte* in, int64_t g) {
  const int64_t part = g / 4, quarter = g % 4;
  const std::byte* pairs = in + part * 64 + quarter % 2 * kQuantBlock;
  const std::byte* tops = in + 128 + part * kQuantBlock;
  const std::byte* scales = in + 192;
  const float d = read_half(in + 208);
  for (int64_t h = 0; h < 2; ++h)
    out.scale[h] = d * static_cast<float>(static_cast<int8_t>(scales[2 * g + h]));
  out.minimum[0] = out.minimum[1] = 0;
  for (int64_t i = 0; i < kQuantBlock; ++i) {
    const int nibble = quarter < 2 ? low(pairs[i]) : high(pairs[i]);
    const int top = (static_cast<int>(tops[i]) >> (2 * quarter)) & 3;
    out.q[i] = static_cast<int8_t>((nibble | top << 4) - 32);
  }
}

}  // namespace

bool has_integers(DType type) {
  return dtype_block(type) > 1;
}

void read_integers(IntegerBlock& out, DType type, const std::byte* row, int64_t block) {
  const int64_t per_block = dtype_block(type) / kQuantBlock;
  ILORA_CHECK(per_block > 0, "no blocks in {}", dtype_name(type));
  const std::byte* in = row + dtype_bytes(type, block / per_block * dtype_block(type));
  const int64_t group = block % per_block;
  switch (type) {
    case DType::kQ4_K:
    case DType::kQ5_K:
      read_q45_k(out, in, group, type == DType::kQ5_K);
      return;
    case DType::kQ6_K:
      read_q6_k(out, in, group);
      return;
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS:
    case DType::kTQ1_0:
    case DType::kTQ2_0:
      read_few_bits(out, type, in, group);
      return;
    default:
      read_small(out, type, in);
  }
}

void require_stored_product(const Tensor& c, const Tensor& x, const Tensor& w,
                            std::span<const int32_t> rows) {
  ILORA_CHECK(c.rank == 2 && x.rank == 2 && w.rank == 2 && c.shape[0] == x.shape[0] &&
                  x.shape[1] == w.shape[1] && c.stride[1] == 1 && x.stride[1] == 1 &&
                  w.contiguous() && has_integers(w.dtype) && w.shape[1] % dtype_block(w.dtype) == 0,
              "stored_product of {} and {} into {}", x.describe(), w.describe(), c.describe());
  ILORA_CHECK(
      rows.empty() ? c.shape[1] <= w.shape[0] : c.shape[1] == static_cast<int64_t>(rows.size()),
      "stored_product: {} rows of {} into {}", rows.size(), w.describe(), c.describe());
  for (const int32_t row : rows)
    ILORA_CHECK(row >= 0 && row < w.shape[0], "stored_product: row {} of {}", row, w.describe());
}

}  // namespace ilora
