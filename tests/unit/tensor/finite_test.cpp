#include "tensor/finite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tensor/quant.h"

namespace ilora {
namespace {

constexpr DType kQuantised[] = {DType::kQ8_0,  DType::kQ4_0, DType::kQ4_1,   DType::kQ5_0,
                                DType::kQ5_1,  DType::kQ4_K, DType::kQ5_K,   DType::kQ6_K,
                                DType::kQ2_K,  DType::kQ3_K, DType::kIQ4_NL, DType::kIQ4_XS,
                                DType::kTQ1_0, DType::kTQ2_0};

TEST(Finite, OneNumberAmongManyIsSeen) {
  std::vector<float> values(100, std::numeric_limits<float>::max());
  EXPECT_TRUE(all_finite(values));
  for (const float bad : {INFINITY, -INFINITY, NAN}) {
    values[77] = bad;
    EXPECT_FALSE(all_finite(values));
  }
}

// Random bytes: one half in 32 is none, so that of blocks of both kinds there are many.
TEST(Finite, ScalesSayOfABlockWhatItsElementsWould) {
  std::mt19937 random(7);
  for (const DType type : kQuantised) {
    const int64_t count = dtype_block(type);
    std::vector<std::byte> block(static_cast<size_t>(dtype_bytes(type, count)));
    std::vector<float> values(static_cast<size_t>(count));
    int finite = 0, others = 0;
    for (int i = 0; i < 2000; ++i) {
      for (std::byte& byte : block) byte = static_cast<std::byte>(random());
      expand_elements(values.data(), type, block.data(), count);
      const bool expected = all_finite(values);
      ASSERT_EQ(scales_are_finite(type, block.data(), count), expected)
          << dtype_name(type) << ", block " << i;
      ++(expected ? finite : others);
    }
    EXPECT_GT(finite, 100) << dtype_name(type);
    EXPECT_GT(others, 10) << dtype_name(type);
  }
}

TEST(Finite, EachBlockOfARowCounts) {
  for (const DType type : kQuantised) {
    const int64_t count = 3 * dtype_block(type);
    const std::vector<std::byte> zeros(static_cast<size_t>(dtype_bytes(type, count)));
    EXPECT_TRUE(scales_are_finite(type, zeros.data(), count));
    std::vector<std::byte> last = zeros;
    std::fill(last.end() - dtype_bytes(type, dtype_block(type)), last.end(), std::byte{0xff});
    EXPECT_FALSE(scales_are_finite(type, last.data(), count)) << dtype_name(type);
  }
}

TEST(Finite, OfOtherTypesNothingIsKnown) {
  const std::vector<std::byte> zeros(64);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16})
    EXPECT_FALSE(scales_are_finite(type, zeros.data(), 4));
}

}  // namespace
}  // namespace ilora
