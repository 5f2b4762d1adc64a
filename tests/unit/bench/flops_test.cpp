#include "bench/flops.h"

#include <gtest/gtest.h>

namespace ilora {
namespace {

// Products of one token of the models below, in FLOPs: a multiplication and an addition each.
constexpr double kInputs = 2 * 8 * (8 + 2 * 4);      // q, k, v
constexpr double kAbove = 2 * (8 * 8 + 3 * 8 * 24);  // o, gate, up, down
constexpr double kHead = 2 * 8 * 50;

ModelConfig small_model() {
  ModelConfig c;
  c.layers = 3;
  c.width = 8;
  c.heads = 2;
  c.kv_heads = 1;
  c.head_dim = 4;
  c.feed_forward = 24;
  c.vocabulary = 50;
  c.blocks.resize(3);
  return c;
}

// A row of 10 tokens that are fed, 4 of them labelled.
class GemmFlops : public ::testing::Test {
 protected:
  GemmFlops() {
    row_.tokens.resize(11, 1);
    row_.prompt_length = 7;
  }
  Pass pass(const Adapter& adapter, Tensor gradient) const {
    return {{cross_entropy_segment({&row_}, {{&adapter, 1.0, gradient}})}};
  }

  ModelConfig config_ = small_model();
  Row row_;
  Adapter below_{config_, {}};  // q and v: the last block is computed at labelled positions alone
  Buffer gradient_{DType::kF32, {below_.layout().size()}};
};

TEST_F(GemmFlops, ForwardBackwardAndHead) {
  const double forward = 10 * 3 * (kInputs + kAbove) - 6 * kAbove + 4 * kHead;
  EXPECT_EQ(gemm_flops(pass(below_, {}), config_), forward);
  // Backward is forward again, without the gradient of the first block's input.
  EXPECT_EQ(gemm_flops(pass(below_, gradient_.view()), config_), 2 * forward - 10 * kInputs);
}

TEST_F(GemmFlops, WhatIsTrainedAboveTheLastAttentionNeedsAllPositions) {
  LoraOptions options;
  options.targets = {"down_proj"};
  const Adapter above(config_, options);
  EXPECT_EQ(gemm_flops(pass(above, {}), config_), 10 * 3 * (kInputs + kAbove) + 4 * kHead);
}

TEST_F(GemmFlops, ALossOfWeightZeroReadsNothing) {
  Pass plain = pass(below_, {});
  const double before = gemm_flops(plain, config_);
  plain.segments[0].losses.push_back({.kind = LossKind::kConsistency,
                                      .weight = 0,
                                      .parameters = {.layers = {3}, .positions = Positions::kAll}});
  EXPECT_EQ(gemm_flops(plain, config_), before);
  plain.segments[0].losses.back().weight = 1;
  EXPECT_EQ(gemm_flops(plain, config_), before + 6 * kAbove);
}

}  // namespace
}  // namespace ilora
