// Rotary tables: angles, divisors, which columns turn.
#include "model/rotary.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ilora {
namespace {

TEST(RotaryTable, HoldsCosinesAndSinesOfPositionTimesFrequency) {
  const RotaryTable table({.base = 100.0, .dims = 4, .divisors = {1.0f, 5.0f}}, 7, DType::kF64);
  ASSERT_EQ(table.cos().shape[0], 7);
  ASSERT_EQ(table.cos().shape[1], 2);
  // Position 6: angles 6 * 100^0 and 6 * 100^(-1/2) / 5.
  EXPECT_DOUBLE_EQ(table.cos().ptr<double>()[12], std::cos(6.0));
  EXPECT_DOUBLE_EQ(table.sin().ptr<double>()[12], std::sin(6.0));
  EXPECT_DOUBLE_EQ(table.cos().ptr<double>()[13], std::cos(0.12));
  EXPECT_DOUBLE_EQ(table.sin().ptr<double>()[13], std::sin(0.12));
}

TEST(RotaryTable, TurnsTheFirstColumnsOfEachHead) {
  const RotaryTable table({.base = 10000.0, .dims = 4, .divisors = {}}, 3, DType::kF32);
  const Buffer heads(DType::kF32, {2, 3, 10});
  const Tensor turning = table.turning(heads.view());
  EXPECT_EQ(turning.describe(), "F32 (2, 3, 4)");
  EXPECT_EQ(turning.stride, heads.view().stride);
  EXPECT_EQ(turning.data, heads.view().data);
}

// Values of transformers 5.24's _compute_llama3_parameters, evaluated in double precision.
TEST(Llama3Divisors, AreThoseOfTransformers) {
  const std::vector<float> divisors =
      llama3_divisors({.base = 500000.0, .dims = 64, .divisors = {}}, {.factor = 8,
                                                                       .low_frequency_factor = 1,
                                                                       .high_frequency_factor = 4,
                                                                       .original_context = 8192});
  ASSERT_EQ(divisors.size(), 32U);
  const std::pair<size_t, float> expected[] = {{0, 1.0f},        {14, 1.0f},       {15, 1.5534146f},
                                               {16, 2.6945296f}, {17, 5.2573266f}, {18, 8.0f},
                                               {31, 8.0f}};
  for (const auto& [i, divisor] : expected) EXPECT_FLOAT_EQ(divisors[i], divisor) << i;
}

}  // namespace
}  // namespace ilora
