#include "bench/profile_table.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

ModelConfig small_model() {
  ModelConfig c;
  c.width = 32;
  c.heads = 4;
  c.kv_heads = 2;
  c.layers = 1;
  c.head_dim = 8;
  c.feed_forward = 96;
  c.vocabulary = 500;
  return c;
}

std::string label(const GemmClass& gemm) {
  return gemm_label(gemm, small_model(), {3});
}

TEST(ProfileTable, NamesProductsByTheirShape) {
  EXPECT_EQ(label({0, 16, 32, false, true}), "k, v");
  EXPECT_EQ(label({0, 32, 32, false, true}), "q, o");
  EXPECT_EQ(label({0, 96, 32, false, true}), "gate, up");
  EXPECT_EQ(label({0, 500, 32, false, true}), "head");
  EXPECT_EQ(label({0, 96, 32, false, false}), "dX of down");
  EXPECT_EQ(label({0, 32, 500, false, false}), "dX of head");
  EXPECT_EQ(label({0, 3, 96, false, true}), "LoRA x A', dy B (96)");
  EXPECT_EQ(label({0, 16, 3, false, false}), "LoRA h B', dh A (16)");
  EXPECT_EQ(label({3, 96, 0, true, false}), "LoRA dA, dB (96)");
  EXPECT_EQ(label({0, 7, 32, false, true}), "(* x 32) (32 x 7, transposed)");
}

TEST(ProfileTable, SharesAndRates) {
  ProfileEntry gemm, norm;
  gemm.operation = "gemm";
  gemm.gemm = {0, 96, 32, false, true};
  gemm.calls = 4;
  gemm.seconds = 1.0;
  gemm.flops = 50e9;
  norm.operation = "rmsnorm";
  norm.calls = 2;
  norm.seconds = 0.5;
  norm.bytes = 3e9;
  const Json json = profile_json({norm, gemm}, 2.0, 100.0, small_model(), {3});
  EXPECT_DOUBLE_EQ(json.at("outside_kernels"), 0.5);
  const Json& first = json.at("operations").at(0);  // the longest first
  EXPECT_EQ(first.at("name"), "gemm gate, up");
  EXPECT_DOUBLE_EQ(first.at("share"), 0.5);
  EXPECT_DOUBLE_EQ(first.at("gflops"), 50.0);
  EXPECT_DOUBLE_EQ(first.at("of_peak"), 0.5);
  EXPECT_FALSE(json.at("operations").at(1).contains("gflops"));
  const std::string text = profile_text(json);
  EXPECT_NE(text.find("6.0"), std::string::npos) << text;  // GB/s of the norm
  EXPECT_NE(text.find("all gemm"), std::string::npos) << text;
}

}  // namespace
}  // namespace ilora
