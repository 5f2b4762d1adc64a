// Blocks of 256 at their edges; how well they are found is compared in tests/golden/quant_test.cpp.
#include "tensor/quantise_k.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tensor/finite.h"
#include "tensor/quant.h"
#include "tensor/quantise.h"

namespace ilora {
namespace {

constexpr DType kTypes[] = {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

std::vector<float> read_back(DType type, const std::vector<float>& values) {
  std::vector<std::byte> blocks(
      static_cast<size_t>(dtype_bytes(type, static_cast<int64_t>(values.size()))) + 1);
  blocks.back() = std::byte{77};
  quantise_elements(blocks.data(), type, values.data(), std::ssize(values));
  EXPECT_EQ(blocks.back(), std::byte{77}) << dtype_name(type) << ": written beyond its end";
  std::vector<float> got(values.size());
  expand_elements(got.data(), type, blocks.data(), std::ssize(values));
  return got;
}

std::vector<float> constant(float value) {
  return std::vector<float>(static_cast<size_t>(kSuperBlock), value);
}

TEST(QuantiseK, ZerosAndEqualNumbers) {
  for (const DType type : kTypes) {
    EXPECT_EQ(read_back(type, constant(0)), constant(0)) << dtype_name(type);
    for (const float value : {0.5f, -0.5f, 1e-2f, -3e4f}) {
      for (const float got : read_back(type, constant(value)))
        ASSERT_NEAR(got, value, 5e-3 * std::abs(value)) << dtype_name(type);
    }
  }
}

// A whole grid of scales, minima and integers is met again.
TEST(QuantiseK, NumbersOnAGridComeBack) {
  for (const DType type : kTypes) {
    const int levels = type == DType::kQ4_K ? 16 : type == DType::kQ5_K ? 32 : 64;
    const int low = type == DType::kQ6_K ? -32 : -3;
    std::vector<float> values;
    for (int64_t i = 0; i < kSuperBlock;
         ++i)  // every level in each group of 16 or 32, or both ends
      values.push_back(0x1p-5f *
                       static_cast<float>(low + (i % 2 == 0 ? i * 5 % levels : levels - 1)));
    for (int64_t i = 0; i < kSuperBlock; i += 16)
      values[static_cast<size_t>(i)] = 0x1p-5f * static_cast<float>(low);
    const std::vector<float> got = read_back(type, values);
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], values[i], 0x1p-12) << dtype_name(type) << " at " << i;
  }
}

TEST(QuantiseK, GroupsDoNotDisturbEachOther) {
  for (const DType type : kTypes) {
    std::vector<float> values = constant(0);
    for (size_t i = 32; i < 64; ++i) values[i] = std::sin(static_cast<float>(i));
    const std::vector<float> got = read_back(type, values);
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], values[i], i / 32 == 1 ? 0.1f : 0.0f) << dtype_name(type) << " at " << i;
  }
}

// Whoever writes a file refuses what is not finite then (formats/planned_tensor.h).
TEST(QuantiseK, WhatScalesCannotHoldIsNotFinite) {
  for (const DType type : kTypes) {
    for (const float value : {1e9f, 1e30f, std::numeric_limits<float>::max()}) {
      std::vector<float> values = constant(1);
      values[70] = value;
      values[71] = -value;
      EXPECT_FALSE(all_finite(read_back(type, values))) << dtype_name(type) << ' ' << value;
    }
  }
}

}  // namespace
}  // namespace ilora
