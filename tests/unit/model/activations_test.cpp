// Where the buffers of a pass lie: what backward needs is nobody else's, and rows without gradient
// cost one layer's memory, not all layers'.
#include "model/activations.h"

#include <gtest/gtest.h>

#include <utility>

namespace ilora {
namespace {

constexpr int64_t kLayers = 5, kRows = 48, kGradientRows = 32;

ModelConfig config() {
  ModelConfig c;
  c.layers = kLayers;
  c.width = 16;
  c.heads = 2;
  c.kv_heads = 1;
  c.head_dim = 8;
  c.feed_forward = 24;
  c.vocabulary = 32;
  c.context = 64;
  return c;
}

ActivationShape shape(int64_t gradient_rows, bool recompute = false) {
  ActivationShape s;
  s.rows = kRows;
  s.gradient_rows = gradient_rows;
  s.labels = 8;
  s.label_chunk = 8;
  s.recompute = recompute;
  s.lora_rank.resize(kLayers);
  s.lora_rank[3][static_cast<size_t>(Module::kQuery)] = 3;
  s.lora_rank[4][static_cast<size_t>(Module::kQuery)] = 5;
  return s;
}

size_t bytes(const ActivationShape& s) {
  Arena arena;
  Activations a;
  arena.lay_out([&](Arena& at) { a.place(at, config(), s); });
  return arena.bytes();
}

// [begin, end) of a tensor's first rows.
std::pair<const std::byte*, const std::byte*> extent(const Tensor& t, int64_t rows) {
  const auto* begin = static_cast<const std::byte*>(t.data);
  return {begin, begin + dtype_bytes(t.dtype, rows * t.stride[0])};
}

std::vector<Tensor> kept(const LayerActivations& a) {
  std::vector<Tensor> list = {a.x, a.x_mid, a.rstd_attention, a.rstd_ffn, a.q, a.k, a.v,
                              a.o, a.lse,   a.gate,           a.up};
  for (const Tensor& h : a.lora_h)
    if (h) list.push_back(h);
  return list;
}

TEST(Activations, WhatBackwardNeedsIsWrittenOnce) {
  Arena arena;
  Activations a;
  arena.lay_out([&](Arena& at) { a.place(at, config(), shape(kGradientRows)); });
  for (size_t l = 0; l < kLayers; ++l) {
    for (const Tensor& mine : kept(a.layers[l])) {
      EXPECT_EQ(mine.shape[0], kRows);
      const auto [begin, end] = extent(mine, kGradientRows);
      // Forward of the layers behind writes all rows.
      for (size_t m = l + 1; m < kLayers; ++m) {
        for (const Tensor& later : kept(a.layers[m])) {
          const auto [b, e] = extent(later, kRows);
          EXPECT_TRUE(e <= begin || end <= b) << "layers " << l << " and " << m;
        }
      }
      const auto [b, e] = extent(a.x_last, kRows);
      EXPECT_TRUE(e <= begin || end <= b) << "layer " << l << " and the last";
    }
  }
}

TEST(Activations, ALayersTensorsDoNotOverlap) {
  Arena arena;
  Activations a;
  arena.lay_out([&](Arena& at) { a.place(at, config(), shape(kGradientRows)); });
  for (size_t l = 0; l < kLayers; ++l) {
    std::vector<Tensor> list = kept(a.layers[l]);
    list.push_back(l + 1 < kLayers ? a.layers[l + 1].x : a.x_last);  // what the layer writes
    for (size_t i = 1; i < list.size(); ++i) {  // x itself is done with when the next is written
      for (size_t j = 1; j < i; ++j) {
        const auto [b, e] = extent(list[i], kRows);
        const auto [begin, end] = extent(list[j], kRows);
        EXPECT_TRUE(e <= begin || end <= b) << "layer " << l << ", " << i << " and " << j;
      }
    }
  }
}

TEST(Activations, RowsWithoutGradientTakeOneLayersMemory) {
  const size_t all = bytes(shape(kRows)), some = bytes(shape(kGradientRows));
  const ModelConfig c = config();
  const auto rows = static_cast<size_t>(kRows - kGradientRows);
  const auto per_row = static_cast<size_t>(2 * c.width + 2 + 2 * c.query_width() +
                                           2 * c.kv_width() + c.heads + 2 * c.feed_forward) *
                       sizeof(float);
  EXPECT_LE(some + (kLayers - 1) * rows * per_row, all);
}

TEST(Activations, RecomputeKeepsWholeInputs) {
  Arena arena;
  Activations a;
  arena.lay_out([&](Arena& at) { a.place(at, config(), shape(kGradientRows, true)); });
  for (size_t l = 1; l < kLayers; ++l) {
    EXPECT_LE(extent(a.layers[l - 1].x, kRows).second, extent(a.layers[l].x, 0).first);
    EXPECT_EQ(a.layers[l].gate.data, a.layers[0].gate.data);
  }
}

}  // namespace
}  // namespace ilora
