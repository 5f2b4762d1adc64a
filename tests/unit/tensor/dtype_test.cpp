#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace ilora {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float from_bits(uint32_t bits) {
  return std::bit_cast<float>(bits);
}
uint32_t bits_of(float x) {
  return std::bit_cast<uint32_t>(x);
}

// IEEE 754 binary16 by its definition, in double: the oracle of the bit tricks.
double half_value(uint16_t bits) {
  const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return mantissa != 0 ? NAN : sign * INFINITY;
  return sign *
         (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

TEST(Float16, EveryValueConvertsExactlyAndBack) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const Float16 half{static_cast<uint16_t>(i)};
    const float value = to_float(half);
    if (std::isnan(half_value(half.bits))) {
      ASSERT_TRUE(std::isnan(value)) << i;
      ASSERT_TRUE(std::isnan(to_float(to_float16(value)))) << i;
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), half_value(half.bits)) << i;
    ASSERT_EQ(std::signbit(value), (i & 0x8000u) != 0) << i;
    ASSERT_EQ(to_float16(value).bits, half.bits) << i;
  }
}

// Between each pair of neighbours: below the middle goes down, above it up, the middle to the even
// one.
TEST(Float16, RoundsToNearestEven) {
  for (uint32_t i = 0; i < 0x7c00; ++i) {
    const auto low = static_cast<uint16_t>(i), high = static_cast<uint16_t>(i + 1);
    const double above =
        high == 0x7c00 ? 65536.0 : half_value(high);  // infinity stands where 2^16 would be
    const auto middle = static_cast<float>((half_value(low) + above) / 2);
    const uint16_t even = (low & 1) == 0 ? low : high;
    ASSERT_EQ(to_float16(middle).bits, even) << i;
    ASSERT_EQ(to_float16(std::nextafter(middle, 0.0f)).bits, low) << i;
    ASSERT_EQ(to_float16(std::nextafter(middle, kInfinity)).bits, high) << i;
    ASSERT_EQ(to_float16(-middle).bits, even | 0x8000) << i;
  }
}

TEST(Float16, LargeAndTinyValues) {
  EXPECT_EQ(to_float16(kInfinity).bits, 0x7c00);
  EXPECT_EQ(to_float16(-1e30f).bits, 0xfc00);
  EXPECT_EQ(to_float16(1e-30f).bits, 0x0000);
  EXPECT_EQ(to_float16(-0.0f).bits, 0x8000);
  EXPECT_EQ(to_float16(from_bits(1)).bits, 0x0000);
}

TEST(BFloat16, EveryValueConvertsExactlyAndBack) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const BFloat16 x{static_cast<uint16_t>(i)};
    const float value = to_float(x);
    ASSERT_EQ(bits_of(value), i << 16);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(to_float(to_bfloat16(value)))) << i;
    } else {
      ASSERT_EQ(to_bfloat16(value).bits, x.bits) << i;
    }
  }
}

TEST(BFloat16, RoundsToNearestEven) {
  EXPECT_EQ(to_bfloat16(from_bits(0x3f808001)).bits,
            0x3f81);  // just above the middle: truncation would give 0x3f80
  EXPECT_EQ(to_bfloat16(from_bits(0x3f808000)).bits, 0x3f80);  // the middle, to even
  EXPECT_EQ(to_bfloat16(from_bits(0x3f818000)).bits, 0x3f82);
  EXPECT_EQ(to_bfloat16(from_bits(0x3f807fff)).bits, 0x3f80);
  EXPECT_EQ(to_bfloat16(from_bits(0x7f7fffff)).bits,
            0x7f80);                       // the largest float rounds to infinity
  for (uint32_t i = 0; i < 0x7f80; ++i) {  // exhaustively
    const uint32_t middle = (i << 16) | 0x8000u;
    const auto even = static_cast<uint16_t>((i & 1) == 0 ? i : i + 1);
    ASSERT_EQ(to_bfloat16(from_bits(middle)).bits, even);
    ASSERT_EQ(to_bfloat16(from_bits(middle - 1)).bits, i);
    ASSERT_EQ(to_bfloat16(from_bits(middle + 1)).bits, i + 1);
    ASSERT_EQ(to_bfloat16(from_bits(middle | 0x80000000u)).bits, even | 0x8000);
  }
}

TEST(BFloat16, ANanNeverBecomesInfinity) {
  for (const uint32_t bits : {0x7f800001u, 0x7fffffffu, 0xff800001u, 0xffffffffu}) {
    const float back = to_float(to_bfloat16(from_bits(bits)));
    EXPECT_TRUE(std::isnan(back));
    EXPECT_EQ(std::signbit(back), (bits & 0x80000000u) != 0);
  }
}

TEST(DType, SizesOfPlainAndBlockTypes) {
  EXPECT_EQ(dtype_bytes(DType::kF32, 10), 40);
  EXPECT_EQ(dtype_bytes(DType::kI32, 10), 40);
  EXPECT_EQ(dtype_bytes(DType::kF16, 10), 20);
  EXPECT_EQ(dtype_bytes(DType::kBF16, 10), 20);
  EXPECT_EQ(dtype_bytes(DType::kF64, 10), 80);
  EXPECT_EQ(dtype_bytes(DType::kC128, 10), 160);
  EXPECT_EQ(dtype_bytes(DType::kQ8_0, 64), 68);
  EXPECT_EQ(dtype_bytes(DType::kQ4_0, 64), 36);
  EXPECT_EQ(dtype_bytes(DType::kQ4_1, 64), 40);
  EXPECT_EQ(dtype_bytes(DType::kQ5_0, 64), 44);
  EXPECT_EQ(dtype_bytes(DType::kQ5_1, 64), 48);
  EXPECT_EQ(dtype_bytes(DType::kQ4_K, 512), 288);
  EXPECT_EQ(dtype_bytes(DType::kQ5_K, 512), 352);
  EXPECT_EQ(dtype_bytes(DType::kQ6_K, 512), 420);
  EXPECT_THROW(dtype_bytes(DType::kQ4_0, 33), Error);
  EXPECT_THROW(dtype_bytes(DType::kQ6_K, 64), Error);
  EXPECT_STREQ(dtype_name(DType::kQ4_1), "Q4_1");
}

}  // namespace
}  // namespace ilora
