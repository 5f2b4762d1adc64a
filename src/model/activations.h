// Every buffer of one micro-pass, in one list: place() names each tensor once, and the arena
// measures and places from the same calls.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"
#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace ilora {

// Kept per layer for the backward, in its first N' rows; a layer's rows behind them are written
// over by the next layer. Layers below the lowest trained one share one set; with recompute all
// do, and only x is each layer's own.
// Where layers differ in the width of their heads, narrower ones use the beginning of what the widest
// takes.
struct LayerActivations {
  Tensor x;                         // (N,D) T    residual stream entering the layer: hidden[l]
  Tensor x_mid;                     // (N,D) T    after attention
  Tensor rstd_attention, rstd_ffn;  // (N) T
  Tensor q;         // (N,H*Dh) T scaled, rotated; T: scores suffer most from rounding
  Tensor k, v;      // (N,K*Dh) T k rotated
  Tensor o;         // (N,H*Dh) G
  Tensor lse;       // (N,H) T
  Tensor gate, up;  // (N,F) G
  // Where a model joins maps q, k, v and gate, up are columns of these.
  Tensor qkv;      // (N,(H+2K)*Dh) T
  Tensor gate_up;  // (N,2F) G
  // Where blocks have norms of heads: queries and keys before them.
  Tensor q_raw, k_raw;    // (N,H*Dh), (N,K*Dh) T
  Tensor rstd_q, rstd_k;  // (N,H), (N,K) T; of whole widths the first column
  Tensor v_raw, rstd_v;   // (N,K*Dh), (N,K) T: values before theirs
  // Where blocks have norms of what is added: that, before them.
  Tensor attention_out, ffn_out;            // (N,D) T
  Tensor rstd_attention_out, rstd_ffn_out;  // (N) T
  // (N,R) G    x A^T of each module that carries LoRA; R summed over uses
  std::array<Tensor, kModules> lora_h;
};

// What a pass needs, in figures.
struct ActivationShape {
  int64_t rows = 0;               // N
  int64_t gradient_rows = 0;      // rows that backward covers
  int64_t labels = 0;             // labelled positions
  int64_t label_chunk = 0;        // of which so many have logits at a time
  int64_t lowest_saved = 0;       // layers from here on keep their own activations; L: none
  bool recompute = false;         // keep only the layers' inputs
  int64_t top_rows = 0;           // rows gathered above the last attention; 0: all are computed
  int64_t top_gradient_rows = 0;  // of which have gradient
  int64_t weight_scratch = 0;     // elements of the largest weight that is expanded for use
  std::vector<std::array<int64_t, kModules>> lora_rank;  // per layer and module, 0: none
  DType state = DType::kF32, gemm = DType::kF32;

  int64_t logit_rows() const;  // positions whose logits exist at a time
};

// The beginning of x (n,w), w >= width, as rows of that width; x where it has it.
inline Tensor narrowed(const Tensor& x, int64_t width) {
  if (!x || x.shape[1] == width) return x;
  return {x.data, x.dtype, {x.shape[0], width}};
}

struct Activations {
  std::vector<LayerActivations> layers;
  Tensor x_last;     // (N,D) T   leaving the last layer
  Tensor rstd_last;  // (N) T
  Tensor last;       // (N,D) T   hidden[L], after the final norm

  // The M rows above the last attention, the first M' with gradient (top_rows.h). Of the last
  // layer's x_mid, gate, up, x_last and rstd_last the first M rows are in use then.
  Tensor top_o;       // (M,H*Dh) T   also the gradient of o
  Tensor top_o_g;     // (M,H*Dh) G
  Tensor top_hidden;  // (M,D) T      hidden[L], then its gradient
  Tensor top_dx;      // (M',D) T

  // Scratch that every layer uses again.
  Tensor expanded;  // (elements) G   a base weight that is stored otherwise
  Tensor normed;    // (N,D) G
  Tensor wide;      // (N * max(H*Dh, F)) T   linear outputs before they are rounded to G
  Tensor act;       // (N,F) G   silu(gate)*up, or gelu
  Tensor branch;    // (N,D) T   what is added, after its norm; its gradient before it
  Tensor dropped;   // (N' * max in) G  inputs of LoRA after dropout
  Tensor lora_dh;   // (N' * R) G
  Tensor lora_dx;   // (N' * max in) T  gradient through a dropped input

  // Logits, a chunk of labelled positions at a time. What a loss needs of its own it takes itself.
  Tensor label_hidden;    // (chunk,D) T
  Tensor label_hidden_g;  // (chunk,D) G
  Tensor logits;          // (chunk,V) T
  Tensor dlogits_g;       // (chunk,V) G   only where G differs from T
  Tensor label_loss;      // (chunk) T
  Tensor capped_logits;   // (chunk,V) T   the logits, kept for the gradient of their soft cap

  // Backward (rows with gradient, N' <= N).
  Tensor dx;          // (N',D) T      gradient of the residual stream
  Tensor dnormed;     // (N',D) T
  Tensor dwide;       // (N' * max(H*Dh, F)) T
  Tensor dwide_g;     // (N' * max(D, H*Dh, F)) G  only where G differs from T
  Tensor dq, dk, dv;  // T; columns of dqkv where q, k and v are one map
  Tensor dqkv;        // (N',(H+2K)*Dh) T
  Tensor dheads;      // (N',H*Dh) T   gradient of queries or keys before their norm

  void place(Arena& arena, const ModelConfig& config, const ActivationShape& shape);

 private:
  void place_head_gradients(Arena& arena, const ModelConfig& config, const ActivationShape& shape);
};

}  // namespace ilora
