#include "model/activations.h"

#include <algorithm>

#include "model/gemm_rows.h"

namespace ilora {
namespace {

// What a layer keeps beside its input, in `rows` rows.
void place_layer(LayerActivations& a, Arena& arena, const ModelConfig& c, const ActivationShape& s,
                 int64_t rows) {
  a.x_mid = arena.take("layer.x_mid", s.state, {rows, c.width});
  a.rstd_attention = arena.take("layer.rstd_attention", s.state, {rows});
  a.rstd_ffn = arena.take("layer.rstd_ffn", s.state, {rows});
  a.q = arena.take("layer.q", s.state, {rows, c.query_width()});
  a.k = arena.take("layer.k", s.state, {rows, c.kv_width()});
  a.v = arena.take("layer.v", s.state, {rows, c.kv_width()});
  a.o = arena.take("layer.o", s.gemm, {rows, c.query_width()});
  a.lse = arena.take("layer.lse", s.state, {rows, c.heads});
  a.gate = arena.take("layer.gate", s.gemm, {rows, c.feed_forward});
  a.up = arena.take("layer.up", s.gemm, {rows, c.feed_forward});
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
  for (Tensor* kept :
       {&a.x_mid, &a.rstd_attention, &a.rstd_ffn, &a.q, &a.k, &a.v, &a.o, &a.lse, &a.gate, &a.up}) {
    *kept = part(*kept, begin, end);
  }
  for (Tensor& h : a.lora_h) h = part(h, begin, end);
  return a;
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
  top_o = arena.take("top_o", s.state, {s.top_rows, c.query_width()});
  top_o_g = mixed ? arena.take("top_o_g", s.gemm, {s.top_rows, c.query_width()}) : top_o;
  top_hidden = arena.take("top_hidden", s.state, {s.top_rows, c.width});
  top_dx = arena.take("top_dx", s.state, {s.top_gradient_rows, c.width});

  const int64_t widest_out = std::max(c.query_width(), c.feed_forward);
  const int64_t widest_in = std::max({c.width, c.query_width(), c.feed_forward});
  expanded = arena.take("expanded", s.gemm, {s.weight_scratch});
  normed = arena.take("normed", s.gemm, {s.rows, c.width});
  wide = mixed ? arena.take("wide", s.state, {s.rows * widest_out}) : Tensor();
  act = arena.take("act", s.gemm, {s.rows, c.feed_forward});
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

  if (!backward) return;
  dx = arena.take("dx", s.state, {s.gradient_rows, c.width});
  dnormed = arena.take("dnormed", s.state, {s.gradient_rows, c.width});
  dwide = arena.take("dwide", s.state, {s.gradient_rows * widest_out});
  dwide_g = mixed ? arena.take("dwide_g", s.gemm, {s.gradient_rows * widest_in}) : Tensor();
  dq = arena.take("dq", s.state, {s.gradient_rows, c.query_width()});
  dk = arena.take("dk", s.state, {s.gradient_rows, c.kv_width()});
  dv = arena.take("dv", s.state, {s.gradient_rows, c.kv_width()});
}

}  // namespace ilora
