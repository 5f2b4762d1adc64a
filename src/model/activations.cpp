#include "model/activations.h"

#include <algorithm>

#include "model/gemm_rows.h"

namespace ilora {
namespace {

int64_t most_kv_heads(const ModelConfig& c) {
  int64_t most = 0;
  for (int64_t l = 0; l < c.layers; ++l) most = std::max(most, c.kv_heads_of(l));
  return most;
}

// What the norms of heads and of what is added keep.
void place_norms(LayerActivations& a, Arena& arena, const ModelConfig& c, const ActivationShape& s,
                 int64_t rows) {
  if (c.head_norms()) {
    a.q_raw = arena.take("layer.q_raw", s.state, {rows, c.query_width()});
    a.k_raw = arena.take("layer.k_raw", s.state, {rows, c.kv_width()});
    a.rstd_q = arena.take("layer.rstd_q", s.state, {rows, c.heads});
    a.rstd_k = arena.take("layer.rstd_k", s.state, {rows, most_kv_heads(c)});
  }
  if (c.value_norms()) {
    a.v_raw = arena.take("layer.v_raw", s.state, {rows, c.kv_width()});
    a.rstd_v = arena.take("layer.rstd_v", s.state, {rows, most_kv_heads(c)});
  }
  if (!c.post_norms()) return;
  a.attention_out = arena.take("layer.attention_out", s.state, {rows, c.width});
  a.ffn_out = arena.take("layer.ffn_out", s.state, {rows, c.width});
  a.rstd_attention_out = arena.take("layer.rstd_attention_out", s.state, {rows});
  a.rstd_ffn_out = arena.take("layer.rstd_ffn_out", s.state, {rows});
}

// What a layer keeps beside its input, in `rows` rows.
void place_layer(LayerActivations& a, Arena& arena, const ModelConfig& c, const ActivationShape& s,
                 int64_t rows) {
  a.x_mid = arena.take("layer.x_mid", s.state, {rows, c.width});
  a.rstd_attention = arena.take("layer.rstd_attention", s.state, {rows});
  a.rstd_ffn = arena.take("layer.rstd_ffn", s.state, {rows});
  if (c.maps.joined_attention) {
    a.qkv = arena.take("layer.qkv", s.state, {rows, c.query_width() + 2 * c.kv_width()});
  } else {
    a.q = arena.take("layer.q", s.state, {rows, c.query_width()});
    a.k = arena.take("layer.k", s.state, {rows, c.kv_width()});
    a.v = arena.take("layer.v", s.state, {rows, c.kv_width()});
  }
  a.o = arena.take("layer.o", s.gemm, {rows, c.query_width()});
  a.lse = arena.take("layer.lse", s.state, {rows, c.heads});
  if (c.maps.joined_feed_forward) {
    a.gate_up = arena.take("layer.gate_up", s.gemm, {rows, 2 * c.feed_forward});
  } else {
    if (c.maps.gated) a.gate = arena.take("layer.gate", s.gemm, {rows, c.feed_forward});
    a.up = arena.take("layer.up", s.gemm, {rows, c.feed_forward});
  }
  place_norms(a, arena, c, s, rows);
  for (size_t m = 0; m < kModules; ++m) {
    int64_t rank = 0;
    for (const auto& ranks : s.lora_rank) rank = std::max(rank, ranks[m]);
    a.lora_h[m] = arena.take("layer.lora_h", s.gemm, {rows, rank});
  }
}

// Rows [begin, end); none while the arena measures.
Tensor part(const Tensor& piece, int64_t begin, int64_t end) {
  return piece ? piece.rows(begin, end) : Tensor();
}

LayerActivations part(const LayerActivations& all, int64_t begin, int64_t end) {
  LayerActivations a = all;
  for (Tensor* kept : {&a.x_mid,
                       &a.rstd_attention,
                       &a.rstd_ffn,
                       &a.q,
                       &a.k,
                       &a.v,
                       &a.o,
                       &a.lse,
                       &a.gate,
                       &a.up,
                       &a.qkv,
                       &a.gate_up,
                       &a.q_raw,
                       &a.k_raw,
                       &a.rstd_q,
                       &a.rstd_k,
                       &a.v_raw,
                       &a.rstd_v,
                       &a.attention_out,
                       &a.ffn_out,
                       &a.rstd_attention_out,
                       &a.rstd_ffn_out}) {
    *kept = part(*kept, begin, end);
  }
  for (Tensor& h : a.lora_h) h = part(h, begin, end);
  return a;
}

// Columns [begin, end); none while the arena measures.
Tensor columns(const Tensor& piece, int64_t begin, int64_t end) {
  return piece ? piece.columns(begin, end) : Tensor();
}

// The parts of joined maps; of heads that are narrower in this layer than in others, their place.
void divide(LayerActivations& a, const ModelConfig& c, int64_t l) {
  const int64_t q = c.query_width(l), kv = c.kv_width(l);
  if (!c.equal_heads()) {
    for (Tensor* queries : {&a.q, &a.q_raw, &a.o}) *queries = narrowed(*queries, q);
    for (Tensor* keys : {&a.k, &a.k_raw, &a.v, &a.v_raw}) *keys = narrowed(*keys, kv);
    for (Tensor* norms : {&a.rstd_k, &a.rstd_v}) *norms = narrowed(*norms, c.kv_heads_of(l));
  }
  if (c.maps.joined_attention) {
    a.q = columns(a.qkv, 0, q);
    a.k = columns(a.qkv, q, q + kv);
    a.v = columns(a.qkv, q + kv, q + 2 * kv);
  }
  if (c.maps.joined_feed_forward) {
    a.gate = columns(a.gate_up, 0, c.feed_forward);
    a.up = columns(a.gate_up, c.feed_forward, 2 * c.feed_forward);
  }
}

// All layers. Those that keep their activations for backward have each kind in one piece, N' rows
// apart: what lies behind a layer's N' rows with gradient serves the next layer's forward alone,
// which then writes over it. (With recompute, a layer's whole input is kept.)
void place_layers(std::vector<LayerActivations>& layers, Arena& arena, const ModelConfig& c,
                  const ActivationShape& s) {
  const int64_t saved = c.layers - s.lowest_saved;
  const int64_t apart = s.recompute ? s.rows : s.gradient_rows;
  const int64_t piece = saved > 0 ? (saved - 1) * apart + s.rows : 0;
  Tensor shared_x;
  LayerActivations shared, kept;
  if (s.lowest_saved > 0) shared_x = arena.take("shared.x", s.state, {s.rows, c.width});
  if (s.lowest_saved > 0 || s.recompute) place_layer(shared, arena, c, s, s.rows);
  if (!s.recompute) place_layer(kept, arena, c, s, piece);
  const Tensor x = arena.take("layer.x", s.state, {piece, c.width});

  layers.resize(static_cast<size_t>(c.layers));
  for (int64_t l = 0; l < c.layers; ++l) {
    LayerActivations& a = layers[static_cast<size_t>(l)];
    const int64_t begin = (l - s.lowest_saved) * apart;
    const bool own = l >= s.lowest_saved;
    a = own && !s.recompute ? part(kept, begin, begin + s.rows) : shared;
    a.x = own ? part(x, begin, begin + s.rows) : shared_x;
    divide(a, c, l);
    for (size_t m = 0; m < kModules; ++m) {
      const int64_t rank = s.lora_rank[static_cast<size_t>(l)][m];
      a.lora_h[m] = rank > 0 && a.lora_h[m] ? a.lora_h[m].columns(0, rank) : Tensor();
    }
  }
}

}  // namespace

int64_t ActivationShape::logit_rows() const {
  return std::min(label_chunk, gemm_rows(labels));
}

void Activations::place_head_gradients(Arena& arena, const ModelConfig& c,
                                       const ActivationShape& s) {
  const int64_t q = c.query_width(), kv = c.kv_width(), rows = s.gradient_rows;
  if (c.maps.joined_attention) {
    dqkv = arena.take("dqkv", s.state, {rows, q + 2 * kv});
    dq = columns(dqkv, 0, q);
    dk = columns(dqkv, q, q + kv);
    dv = columns(dqkv, q + kv, q + 2 * kv);
  } else {
    dq = arena.take("dq", s.state, {rows, q});
    dk = arena.take("dk", s.state, {rows, kv});
    dv = arena.take("dv", s.state, {rows, kv});
  }
  dheads = c.head_norms() ? arena.take("dheads", s.state, {rows, q}) : Tensor();
}

void Activations::place(Arena& arena, const ModelConfig& c, const ActivationShape& s) {
  const bool mixed = s.state != s.gemm;
  const bool backward = s.gradient_rows > 0;
  place_layers(layers, arena, c, s);
  int64_t max_rank = 0;
  for (const auto& ranks : s.lora_rank)
    max_rank = std::max(max_rank, *std::max_element(ranks.begin(), ranks.end()));
  const bool all_shared = c.layers > 0 && s.lowest_saved == c.layers;
  x_last = all_shared ? layers.front().x : arena.take("x_last", s.state, {s.rows, c.width});
  rstd_last = arena.take("rstd_last", s.state, {s.rows});
  last = arena.take("last", s.state, {s.rows, c.width});
  const int64_t top_width = c.query_width(c.layers - 1);
  top_o = arena.take("top_o", s.state, {s.top_rows, top_width});
  top_o_g = mixed ? arena.take("top_o_g", s.gemm, {s.top_rows, top_width}) : top_o;
  top_hidden = arena.take("top_hidden", s.state, {s.top_rows, c.width});
  top_dx = arena.take("top_dx", s.state, {s.top_gradient_rows, c.width});

  const int64_t joined =
      c.maps.joined_attention ? c.query_width() + 2 * c.kv_width() : 0;  // q, k, v
  const int64_t joined_ffn = c.maps.joined_feed_forward ? 2 * c.feed_forward : 0;
  const int64_t widest_out = std::max({c.query_width(), c.feed_forward, joined, joined_ffn});
  const int64_t widest_in = std::max({c.width, c.query_width(), c.feed_forward, joined});
  expanded = arena.take("expanded", s.gemm, {s.weight_scratch});
  normed = arena.take("normed", s.gemm, {s.rows, c.width});
  wide = mixed ? arena.take("wide", s.state, {s.rows * widest_out}) : Tensor();
  act = arena.take("act", s.gemm, {s.rows, c.feed_forward});
  branch = c.post_norms() ? arena.take("branch", s.state, {s.rows, c.width}) : Tensor();
  if (max_rank > 0) {
    dropped = arena.take("dropped", s.gemm, {s.gradient_rows * widest_in});
    lora_dh = arena.take("lora_dh", s.gemm, {s.gradient_rows * max_rank});
    lora_dx = arena.take("lora_dx", s.state, {s.gradient_rows * widest_in});
  }

  const int64_t chunk = s.logit_rows();
  label_hidden = arena.take("label_hidden", s.state, {chunk, c.width});
  label_hidden_g = mixed ? arena.take("label_hidden_g", s.gemm, {chunk, c.width}) : label_hidden;
  logits = arena.take("logits", s.state, {chunk, c.vocabulary});
  dlogits_g = mixed && backward ? arena.take("dlogits_g", s.gemm, {chunk, c.vocabulary}) : logits;
  label_loss = arena.take("label_loss", s.state, {chunk});
  capped_logits = c.logit_soft_cap > 0 && backward
                      ? arena.take("capped_logits", s.state, {chunk, c.vocabulary})
                      : Tensor();

  if (!backward) return;
  dx = arena.take("dx", s.state, {s.gradient_rows, c.width});
  dnormed = arena.take("dnormed", s.state, {s.gradient_rows, c.width});
  dwide = arena.take("dwide", s.state, {s.gradient_rows * widest_out});
  dwide_g = mixed ? arena.take("dwide_g", s.gemm, {s.gradient_rows * widest_in}) : Tensor();
  place_head_gradients(arena, c, s);
}

}  // namespace ilora
