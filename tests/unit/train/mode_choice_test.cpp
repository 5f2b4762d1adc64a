#include "train/mode_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

#include "base/file.h"
#include "base/user_cache.h"
#include "tests/unit/base/error_of.h"
#include "tests/unit/base/temporary_folder.h"

namespace ilora {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ModelConfig tiny() {
  ModelConfig config;
  config.layers = 3;
  config.width = 32;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 8;
  config.feed_forward = 48;
  return config;
}

// The user's cache is a folder of the test's.
class OwnCache {
 public:
  explicit OwnCache(const fs::path& folder) { setenv("XDG_CACHE_HOME", folder.c_str(), 1); }
  ~OwnCache() { unsetenv("XDG_CACHE_HOME"); }
};

TEST(ModeChoice, EqualMapsAreTimedOnce) {
  EXPECT_THAT(product_shapes(tiny()),
              ElementsAre(ProductShape{32, 32, 6},    // q and o of three layers
                          ProductShape{16, 32, 6},    // k, v
                          ProductShape{48, 32, 6},    // gate, up
                          ProductShape{32, 48, 3}));  // down
}

TEST(ModeChoice, RowsShrinkWithTheMaps) {
  EXPECT_EQ(rows_to_time(product_shapes(tiny())), 512);
  const ProductShape large[] = {{4096, 11008, 32}};
  EXPECT_EQ(rows_to_time(large), 64);
}

TEST(ModeChoice, TakesBf16OnlyWhereItPays) {
  const double never = std::numeric_limits<double>::infinity();
  EXPECT_STREQ(faster_mode({1.0, 0.5, 1.2}), "bf16");
  EXPECT_STREQ(faster_mode({1.0, 0.99, 1.2}), "f32");
  EXPECT_STREQ(faster_mode({1.0, 1.9, 0.5}), "f32") << "expanding is for who asks for it";
  EXPECT_STREQ(faster_mode({1.0, never, 1.2}), "f32");
}

TEST(ModeChoice, AModeThatIsNamedIsThatMode) {
  EXPECT_EQ(settled_mode("f32", tiny()), "f32");
  EXPECT_EQ(settled_mode("bf16-expanded", tiny()), "bf16-expanded");
  EXPECT_EQ(gemm_type_of("bf16-expanded"), DType::kBF16);
  EXPECT_EQ(gemm_type_of("int8-f32"), DType::kF32);
  EXPECT_TRUE(product_form_of("int8-bf16").bytes);
  EXPECT_FALSE(product_form_of("bf16").bytes);
  EXPECT_THAT(message_of([] { settled_mode("int4", tiny()); }), HasSubstr("'int4'"));
}

TEST(ModeChoice, IsMeasuredOnceAndRemembered) {
  const TemporaryFolder folder;
  const OwnCache cache(folder / "");
  const ProductTimes first = product_times(tiny());
  EXPECT_GT(first.f32, 0);
  EXPECT_GT(first.bf16_expanded, 0);
  const fs::path file = *user_cache_folder() / "product-times.json";
  ASSERT_TRUE(fs::exists(file));
  const ProductTimes again = product_times(tiny());
  EXPECT_EQ(again.f32, first.f32) << "was measured once more";
  EXPECT_EQ(again.bf16, first.bf16);
  ModelConfig other = tiny();
  other.feed_forward = 64;
  EXPECT_NE(product_times(other).f32, first.f32) << "another model's times";
}

TEST(ModeChoice, ADamagedCacheIsMeasuredAnew) {
  const TemporaryFolder folder;
  const OwnCache cache(folder / "");
  const fs::path file = *user_cache_folder() / "product-times.json";
  make_folder(file.parent_path());
  for (const char* damaged : {"", "{", "[1]", "{\"x\": 1}"}) {
    write_file_atomic(file, damaged);
    EXPECT_GT(product_times(tiny()).f32, 0) << damaged;
  }
  EXPECT_EQ(product_times(tiny()).f32, product_times(tiny()).f32);
}

TEST(ModeChoice, NeedsNoCache) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "file", "");
  const OwnCache cache(folder / "file");  // no folder can be made in it
  EXPECT_GT(product_times(tiny()).f32, 0);
}

}  // namespace
}  // namespace ilora
