#include "model/block.h"

#include <cmath>

#include "model/cache.h"
#include "model/linear.h"
#include "model/norm.h"

namespace ilora {
namespace {

// x (N,H*Dh), perhaps columns of a wider matrix, as (N,H,Dh).
Tensor heads(Tensor x, int64_t count, int64_t head_dim) {
  ILORA_CHECK(x.shape[1] == count * head_dim && x.stride[1] == 1, "heads of {}", x.describe());
  Tensor view(x.data, x.dtype, {x.shape[0], count, head_dim});
  view.stride[0] = x.stride[0];
  return view;
}

// Attention leaves rows that belong to no sequence as they are: make them zero, so that no product
// meets garbage.
void zero_filler(const PassContext& ctx, Tensor x) {
  int64_t end = 0;
  const auto zero = [&](int64_t from, int64_t to) {
    if (from < to) ctx.kernels.fill(x.rows(from, to), 0.0);
  };
  for (const PackedSequence& sequence : ctx.packed.sequences) {
    if (sequence.begin >= x.shape[0]) break;
    zero(end, sequence.begin);
    end = sequence.begin + sequence.length;
  }
  zero(end, x.shape[0]);
}

// Turns the heads x (N,H,Dh) of queries or keys by their rows' positions, where the block has any;
// inverse: back, which is the gradient.
void rotate(const PassContext& ctx, int64_t l, Tensor x, bool inverse) {
  const int index = ctx.config.block(l).rotary;
  if (index < 0) return;
  const RotaryTable& table = ctx.rotary[static_cast<size_t>(index)];
  const Tensor turning = table.turning(x);
  const auto positions = std::span(ctx.packed.positions).first(static_cast<size_t>(x.shape[0]));
  const auto& rope = ctx.config.rotary_pairs ? ctx.kernels.rope_pairs : ctx.kernels.rope;
  rope(turning, turning, table.cos(), table.sin(), positions, inverse);
}

// Multiplies queries (N,H*Dh) by what hangs on their positions; the gradient is the same.
void scale_by_position(const PassContext& ctx, int64_t l, Tensor q) {
  const PositionScale& scale = ctx.config.block(l).position_scale;
  if (scale.beta == 0) return;
  for (int64_t n = 0; n < q.shape[0]; ++n) {
    const int64_t steps = ctx.packed.positions[static_cast<size_t>(n)] / scale.step;
    if (steps > 0)
      ctx.kernels.scale(q.rows(n, n + 1),
                        1.0 + scale.beta * std::log1p(static_cast<double>(steps)));
  }
}

// y (n,D) T|G = what attention or the feed-forward reads: x (n,D) T, after a norm where the block has
// one before them.
void enter_branch(const PassContext& ctx, const BlockConfig& block, Tensor y, Tensor rstd, Tensor x,
                  const NormWeights& norm) {
  if (block.pre_norms) {
    norm_forward(ctx.kernels, ctx.config, y, rstd, x, norm);
  } else {
    ctx.kernels.convert(y, x);
  }
}
// Adds the gradient through it: dx += that of dy.
void enter_branch_backward(const PassContext& ctx, const BlockConfig& block, Tensor dx, Tensor dy,
                           Tensor x, const NormWeights& norm, Tensor rstd) {
  if (block.pre_norms) {
    norm_backward(ctx.kernels, ctx.config, dx, dy, x, norm, rstd);
  } else {
    ctx.kernels.add(dx, dy);
  }
}

// What the map at the end of a branch gives, where the block has a norm behind it.
struct BranchEnd {
  Module map;
  Tensor out, rstd;  // (n,D), (n) T: kept
  NormWeights norm;
};

BranchEnd attention_end(const PassContext& ctx, int64_t l, int64_t n) {
  const LayerActivations& a = ctx.act.layers[static_cast<size_t>(l)];
  if (!ctx.config.block(l).post_norms) return {Module::kOutput, {}, {}, {}};
  return {Module::kOutput, a.attention_out.rows(0, n), a.rstd_attention_out.rows(0, n),
          ctx.weights.layer(l).attention_post_norm};
}
BranchEnd feed_forward_end(const PassContext& ctx, int64_t l, int64_t n) {
  const LayerActivations& a = ctx.act.layers[static_cast<size_t>(l)];
  if (!ctx.config.block(l).post_norms) return {Module::kDown, {}, {}, {}};
  return {Module::kDown, a.ffn_out.rows(0, n), a.rstd_ffn_out.rows(0, n),
          ctx.weights.layer(l).feed_forward_post_norm};
}

// x (n,D) T += the map of `in`, after its norm where there is one.
void leave_branch(PassContext& ctx, int64_t l, const BranchEnd& end, Tensor x, Tensor in) {
  if (!end.norm.weight) return linear_forward(ctx, l, end.map, x, in, true);
  const Tensor normed = ctx.act.branch.rows(0, x.shape[0]);
  linear_forward(ctx, l, end.map, end.out, in);
  norm_forward(ctx.kernels, ctx.config, normed, end.rstd, end.out, end.norm);
  ctx.kernels.add(x, normed);
}
// The gradient of what the map gives, where that of x is dx (n,D).
Tensor leave_branch_backward(const PassContext& ctx, const BranchEnd& end, Tensor dx) {
  if (!end.norm.weight) return dx;
  const Tensor dout = ctx.act.branch.rows(0, dx.shape[0]);
  ctx.kernels.fill(dout, 0.0);
  norm_backward(ctx.kernels, ctx.config, dout, dx, end.out, end.norm, end.rstd);
  return dout;
}

// Queries or keys and their norm: x (n,H*Dh) T from `raw` of the same shape, each head or all heads
// of a row together.
struct HeadNorms {
  Tensor x, raw, rstd, norm;

  HeadNorms(HeadNorm kind, Tensor x_, Tensor raw_, Tensor rstd_, Tensor norm_) : norm(norm_) {
    const int64_t width = norm.shape[0], count = x_.size() / width;
    x = x_.reshaped({count, width});
    raw = raw_.reshaped({count, width});
    // Of whole widths one for each row, in memory that has room for one for each head.
    rstd = kind == HeadNorm::kHead ? rstd_.reshaped({count})
                                   : Tensor(rstd_.data, rstd_.dtype, {count});
  }
};

// Values and their norm, as HeadNorms: x (n,K*Dh) their gradient or what they become.
HeadNorms value_norms(const PassContext& ctx, int64_t l, Tensor x) {
  const LayerActivations& a = ctx.act.layers[static_cast<size_t>(l)];
  const Tensor raw = ctx.config.block(l).keys_as_values ? a.k_raw : a.v_raw;
  const int64_t n = x.shape[0];
  return {HeadNorm::kHead, x, raw.rows(0, n), a.rstd_v.rows(0, n), ctx.weights.layer(l).value_norm};
}

// Gradients of queries, keys and values (N',..) T, as wide as the layer has them.
struct HeadGradients {
  Tensor q, k, v;

  HeadGradients(const PassContext& ctx, int64_t l)
      : q(narrowed(ctx.act.dq, ctx.config.query_width(l))),
        k(narrowed(ctx.act.dk, ctx.config.kv_width(l))),
        v(narrowed(ctx.act.dv, ctx.config.kv_width(l))) {}
};

// x *= factor, unless that changes nothing.
void multiply(const Kernels& k, Tensor x, double factor) {
  if (factor != 1) k.scale(x, factor);
}

// Whether block l computes only chosen rows above its attention.
bool narrow_above_attention(const PassContext& ctx, int64_t l) {
  return ctx.top.narrow() && l + 1 == ctx.config.layers;
}

// Queries, keys and values of normed inputs (N,D) G: a.q, a.k, a.v, scaled and turned.
void project(PassContext& ctx, int64_t l, Tensor normed) {
  const Kernels& k = ctx.kernels;
  const ModelConfig& c = ctx.config;
  const BlockConfig& block = c.block(l);
  const LayerWeights& w = ctx.weights.layer(l);
  const LayerActivations& a = ctx.act.layers[static_cast<size_t>(l)];
  const bool joined = c.maps.joined_attention;
  if (joined) linear_forward(ctx, l, Module::kQueryKeyValue, a.qkv, normed);
  const auto map = [&](Module module, Tensor x, Tensor raw, Tensor rstd, Tensor norm) {
    if (joined) return;
    if (block.head_norm == HeadNorm::kNone) return linear_forward(ctx, l, module, x, normed);
    linear_forward(ctx, l, module, raw, normed);
    const HeadNorms h(block.head_norm, x, raw, rstd, norm);
    k.rmsnorm(h.x, h.rstd, h.raw, h.norm, c.norm_epsilon);
  };
  map(Module::kQuery, a.q, a.q_raw, a.rstd_q, w.query_norm);
  multiply(k, a.q, block.query_scale);
  rotate(ctx, l, heads(a.q, c.heads, c.head_dim_of(l)), false);
  scale_by_position(ctx, l, a.q);
  map(Module::kKey, a.k, a.k_raw, a.rstd_k, w.key_norm);
  rotate(ctx, l, heads(a.k, c.kv_heads_of(l), c.head_dim_of(l)), false);
  if (joined) return;
  if (!block.value_norm) return linear_forward(ctx, l, Module::kValue, a.v, normed);
  if (!block.keys_as_values) linear_forward(ctx, l, Module::kValue, a.v_raw, normed);
  const HeadNorms h = value_norms(ctx, l, a.v);
  k.rmsnorm(h.x, h.rstd, h.raw, h.norm, c.norm_epsilon);
}

// d, gradients of what attention reads, become those of what the maps give; where keys are values,
// d.k that of both.
void project_backward(PassContext& ctx, int64_t l, const HeadGradients& d) {
  const Kernels& k = ctx.kernels;
  const ModelConfig& c = ctx.config;
  const BlockConfig& block = c.block(l);
  const Activations& s = ctx.act;
  const LayerActivations& a = s.layers[static_cast<size_t>(l)];
  const LayerWeights& w = ctx.weights.layer(l);
  const int64_t n = ctx.packed.gradient_rows;
  scale_by_position(ctx, l, d.q);
  rotate(ctx, l, heads(d.q, c.heads, c.head_dim_of(l)), true);
  rotate(ctx, l, heads(d.k, c.kv_heads_of(l), c.head_dim_of(l)), true);
  multiply(k, d.q, block.query_scale);
  if (block.head_norm == HeadNorm::kNone) return;
  const auto through = [&](Tensor dx, const HeadNorms& norm, const HeadNorms* another) {
    const Tensor draw = s.dheads.reshaped({s.dheads.size()}).rows(0, dx.size());
    k.fill(draw, 0.0);
    for (const HeadNorms* h : {&norm, another}) {
      if (h == nullptr) continue;
      k.rmsnorm_backward(draw.reshaped({h->x.shape[0], h->x.shape[1]}), h->x, h->raw, h->norm,
                         h->rstd);
    }
    k.convert(dx, draw.reshaped({dx.shape[0], dx.shape[1]}));
  };
  const auto of = [&](Tensor dx, Tensor raw, Tensor rstd, Tensor norm) {
    return HeadNorms(block.head_norm, dx, raw.rows(0, n), rstd.rows(0, n), norm);
  };
  through(d.q, of(d.q, a.q_raw, a.rstd_q, w.query_norm), nullptr);
  const HeadNorms keys = of(d.k, a.k_raw, a.rstd_k, w.key_norm);
  if (!block.value_norm) return through(d.k, keys, nullptr);
  const HeadNorms values = value_norms(ctx, l, d.v);
  through(d.k, keys, block.keys_as_values ? &values : nullptr);
  if (!block.keys_as_values) through(d.v, values, nullptr);
}

AttentionSpans spans_of(const PassContext& ctx, int64_t l, int64_t count) {
  const BlockConfig& block = ctx.config.block(l);
  return {std::span(ctx.packed.spans).first(static_cast<size_t>(count)), block.window,
          block.soft_cap};
}

// The first n rows of what the feed-forward keeps; no gate where there is none.
Tensor rows_of(Tensor x, int64_t n) {
  return x ? x.rows(0, n) : x;
}

void activate(const PassContext& ctx, int64_t l, Tensor act, Tensor gate, Tensor up) {
  if (!ctx.config.maps.gated) return ctx.kernels.gelu(act, up);
  (ctx.config.block(l).gelu ? ctx.kernels.geglu : ctx.kernels.swiglu)(act, gate, up);
}
// gate and up become their gradients.
void activate_backward(const PassContext& ctx, int64_t l, Tensor dact, Tensor gate, Tensor up) {
  const Kernels& k = ctx.kernels;
  if (!ctx.config.maps.gated) return k.gelu_backward(up, dact, up);
  (ctx.config.block(l).gelu ? k.geglu_backward : k.swiglu_backward)(gate, up, dact, gate, up);
}

// The norm of what the feed-forward reads.
const NormWeights& feed_forward_norm(const PassContext& ctx, int64_t l) {
  const LayerWeights& w = ctx.weights.layer(l);
  return ctx.config.block(l).parallel ? w.attention_norm : w.feed_forward_norm;
}

// The gradient of what gate and up read, (n,D) dnormed, from those of gate and up.
void gates_backward(PassContext& ctx, int64_t l, Tensor dnormed, Tensor gate, Tensor up,
                    Tensor normed) {
  const MapForm& maps = ctx.config.maps;
  if (maps.joined_feed_forward) {
    const Tensor both = ctx.act.layers[static_cast<size_t>(l)].gate_up.rows(0, up.shape[0]);
    linear_backward(ctx, l, Module::kGateUp, dnormed, both, normed, false);
    return;
  }
  linear_backward(ctx, l, Module::kUp, dnormed, up, normed, false);
  if (maps.gated) linear_backward(ctx, l, Module::kGate, dnormed, gate, normed, true);
}

bool any_trained(const PassContext& ctx, int64_t l, std::initializer_list<Module> modules) {
  for (const Module m : modules) {
    if (is_trained(ctx, l, m)) return true;
  }
  return false;
}

// The gradient through output projection and feed-forward, which meets no other row: dx (n,D), that
// of the block's output, becomes that of its input but for what goes through attention; with
// `inside` do_ (n,H*Dh) becomes the gradient of attention's result.
void above_attention_backward(PassContext& ctx, int64_t l, Tensor do_, Tensor dx, bool inside) {
  const ModelConfig& c = ctx.config;
  const Activations& s = ctx.act;
  const LayerActivations& a = s.layers[static_cast<size_t>(l)];
  const BlockConfig& block = c.block(l);
  const NormWeights& norm = feed_forward_norm(ctx, l);
  const int64_t n = dx.shape[0];
  const bool below_ffn = inside || is_trained(ctx, l, Module::kOutput);
  const bool gate_trained = any_trained(ctx, l, {Module::kGate, Module::kUp, Module::kGateUp});
  const bool inside_ffn = below_ffn || gate_trained;
  const Tensor gate = rows_of(a.gate, n), up = a.up.rows(0, n), act = s.act.rows(0, n);
  multiply(ctx.kernels, dx, ctx.weights.layer(l).output_scale);
  const Tensor x_mid = a.x_mid.rows(0, n), rstd = a.rstd_ffn.rows(0, n);
  const Tensor normed = s.normed.rows(0, n);

  // Feed-forward. dgate and dup take the place of gate and up.
  const Tensor dact = s.dwide.rows(0, n * c.feed_forward).reshaped({n, c.feed_forward});
  if (is_trained(ctx, l, Module::kDown)) activate(ctx, l, act, gate, up);
  Tensor dout = leave_branch_backward(ctx, feed_forward_end(ctx, l, n), dx);
  linear_backward(ctx, l, Module::kDown, inside_ffn ? dact : Tensor(), dout, act, false);
  if (!inside_ffn) return;
  activate_backward(ctx, l, dact, gate, up);
  if (gate_trained) enter_branch(ctx, block, normed, rstd, x_mid, norm);
  const Tensor dnormed = below_ffn ? s.dnormed.rows(0, n) : Tensor();
  gates_backward(ctx, l, dnormed, gate, up, normed);
  if (!below_ffn) return;
  // Side by side, attention's result has the gradient of the block's output.
  if (!block.parallel) enter_branch_backward(ctx, block, dx, dnormed, x_mid, norm, rstd);

  dout = leave_branch_backward(ctx, attention_end(ctx, l, n), dx);
  linear_backward(ctx, l, Module::kOutput, inside ? do_ : Tensor(), dout, a.o.rows(0, n), false);
  if (block.parallel) enter_branch_backward(ctx, block, dx, dnormed, x_mid, norm, rstd);
}

}  // namespace

void require_computable(const ModelConfig& config, const std::string& where) {
  for (int64_t l = 0; l < config.layers; ++l) {
    const BlockConfig& block = config.block(l);
    const auto refuse = [&](const std::string& what) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("[model] {} in layer {} is not supported ({})", what, l, where));
    };
    const auto has_bias = [&](Module m) { return block.bias[static_cast<size_t>(m)]; };
    if (block.residual_multiplier != 1 && (has_bias(Module::kOutput) || has_bias(Module::kDown)))
      refuse("a residual multiplier of a map with a bias");
    if (block.residual_multiplier != 1 && block.post_norms)
      refuse("a residual multiplier before a norm");
    if (block.parallel && block.post_norms) refuse("norms behind branches that are added at once");
    if (!config.maps.gated && !block.gelu) refuse("SiLU without a gate");
    if (config.layer_norm && block.head_norm != HeadNorm::kNone) refuse("LayerNorm of heads");
    if (block.keys_as_values && !block.value_norm) refuse("keys as values without a norm");
    if (block.value_norm && block.head_norm != HeadNorm::kHead)
      refuse("a norm of values without one of each head's keys");
    if (config.maps.joined_attention && !config.equal_heads())
      refuse("a joined map of heads whose widths differ");
    if (config.maps.joined_attention && (block.head_norm != HeadNorm::kNone ||
                                         block.query_scale != 1 || block.position_scale.beta != 0))
      refuse("a norm or a scale of queries that share a map with keys");
  }
}

void block_forward(PassContext& ctx, int64_t l, Tensor out) {
  const Kernels& k = ctx.kernels;
  const ModelConfig& c = ctx.config;
  const LayerWeights& w = ctx.weights.layer(l);
  const Activations& s = ctx.act;
  const LayerActivations& a = s.layers[static_cast<size_t>(l)];
  const BlockConfig& block = c.block(l);
  const int64_t dh = c.head_dim_of(l), kv_heads = c.kv_heads_of(l);

  // Attention: x_mid = x + m Wo attention(turned s Wq n, turned Wk n, Wv n), n = norm(x), with the
  // block's query scale s and residual multiplier m (linear.cpp)
  enter_branch(ctx, block, s.normed, a.rstd_attention, a.x, w.attention_norm);
  project(ctx, l, s.normed);
  Tensor keys = a.k, values = a.v;
  if (ctx.cache != nullptr) {
    ctx.cache->store(k, l, a.k, a.v, ctx.packed);
    keys = ctx.cache->keys(l), values = ctx.cache->values(l);
  }
  const AttentionSpans spans = spans_of(ctx, l, std::ssize(ctx.packed.spans));
  const Tensor o_heads = heads(a.o, c.heads, dh), q_heads = heads(a.q, c.heads, dh);
  keys = heads(keys, kv_heads, dh), values = heads(values, kv_heads, dh);
  if (ctx.packed.step && spans.plain()) {
    k.attention_step(o_heads, q_heads, keys, values, ctx.packed.spans);
  } else {
    k.attention(o_heads, a.lse, q_heads, keys, values, spans);
  }
  zero_filler(ctx, a.o);
  const bool narrow = narrow_above_attention(ctx, l);
  const int64_t n = narrow ? ctx.top.count() : ctx.packed.rows;
  // In a parallel block x_mid stays the input, and attention's result goes straight to the output.
  const Tensor x_mid = a.x_mid.rows(0, n);
  const Tensor after_attention = block.parallel ? out.rows(0, n) : x_mid;
  Tensor o = a.o;
  if (narrow) {
    ctx.top.gather(k, s.top_o, a.o);
    ctx.top.gather(k, x_mid, a.x);
    o = s.top_o_g;
    if (o.dtype != s.top_o.dtype) k.convert(o, s.top_o);
  } else {
    k.convert(x_mid, a.x);
  }
  if (block.parallel) k.convert(after_attention, x_mid);
  leave_branch(ctx, l, attention_end(ctx, l, n), after_attention, o);

  // Feed-forward: out = x_mid + m Wd (silu(Wg n) * Wu n), n = norm(x_mid)
  const Tensor normed = s.normed.rows(0, n), act = s.act.rows(0, n);
  const Tensor gate = rows_of(a.gate, n), up = a.up.rows(0, n);
  enter_branch(ctx, block, normed, a.rstd_ffn.rows(0, n), x_mid, feed_forward_norm(ctx, l));
  if (c.maps.joined_feed_forward) {
    linear_forward(ctx, l, Module::kGateUp, a.gate_up.rows(0, n), normed);
  } else {
    if (c.maps.gated) linear_forward(ctx, l, Module::kGate, gate, normed);
    linear_forward(ctx, l, Module::kUp, up, normed);
  }
  if (!out) return;
  activate(ctx, l, act, gate, up);
  if (!block.parallel) k.convert(out.rows(0, n), x_mid);
  leave_branch(ctx, l, feed_forward_end(ctx, l, n), out.rows(0, n), act);
  multiply(k, out.rows(0, n), w.output_scale);
}

void block_recompute(PassContext& ctx, int64_t l) {
  // The output is known; but where the last map carries LoRA, backward needs its inner product, and
  // where a norm follows, what it gives.
  const auto layer = static_cast<size_t>(l);
  const bool down =
      static_cast<bool>(ctx.act.layers[layer].lora_h[static_cast<size_t>(Module::kDown)]);
  const bool top = l + 1 == ctx.config.layers;
  const Tensor next = top ? ctx.act.x_last : ctx.act.layers[layer + 1].x;
  const BlockConfig& block = ctx.config.block(l);
  block_forward(ctx, l, down || block.post_norms || block.parallel ? next : Tensor());
}

void block_backward(PassContext& ctx, int64_t l, bool need_dx) {
  const Kernels& k = ctx.kernels;
  const ModelConfig& c = ctx.config;
  const LayerWeights& w = ctx.weights.layer(l);
  const Activations& s = ctx.act;
  const LayerActivations& a = s.layers[static_cast<size_t>(l)];
  const int64_t n = ctx.packed.gradient_rows;  // N'
  const int64_t dh = c.head_dim_of(l), kv_heads = c.kv_heads_of(l), q_width = c.query_width(l);
  const bool trained =
      any_trained(ctx, l, {Module::kQuery, Module::kKey, Module::kValue, Module::kQueryKeyValue});
  const bool inside = need_dx || trained;
  const Tensor do_ = s.dwide.rows(0, n * q_width).reshaped({n, q_width});
  if (narrow_above_attention(ctx, l)) {
    const Tensor top_do = s.top_o.rows(0, ctx.top.gradient_count());
    above_attention_backward(ctx, l, top_do, s.top_dx, inside);
    ctx.top.scatter(k, do_, top_do);
    ctx.top.scatter(k, s.dx, s.top_dx);
  } else {
    above_attention_backward(ctx, l, do_, s.dx, inside);
  }
  if (!inside) return;

  // Attention.
  const AttentionSpans spans = spans_of(ctx, l, ctx.packed.gradient_spans);
  const HeadGradients d(ctx, l);
  k.attention_backward(heads(d.q, c.heads, dh), heads(d.k, kv_heads, dh), heads(d.v, kv_heads, dh),
                       heads(do_, c.heads, dh), heads(a.q.rows(0, n), c.heads, dh),
                       heads(a.k.rows(0, n), kv_heads, dh), heads(a.v.rows(0, n), kv_heads, dh),
                       heads(a.o.rows(0, n), c.heads, dh), a.lse.rows(0, n), spans);
  if (c.maps.joined_attention) {
    zero_filler(ctx, s.dqkv);
  } else {
    for (const Tensor& each : {d.q, d.k, d.v}) zero_filler(ctx, each);
  }
  project_backward(ctx, l, d);
  const Tensor normed = s.normed.rows(0, n), dnormed = need_dx ? s.dnormed : Tensor();
  const Tensor x = a.x.rows(0, n), rstd = a.rstd_attention.rows(0, n);
  if (trained) enter_branch(ctx, c.block(l), normed, rstd, x, w.attention_norm);
  if (c.maps.joined_attention) {
    linear_backward(ctx, l, Module::kQueryKeyValue, dnormed, s.dqkv, normed, false);
  } else {
    const bool values = c.has(l, Module::kValue);
    if (values) linear_backward(ctx, l, Module::kValue, dnormed, d.v, normed, false);
    linear_backward(ctx, l, Module::kKey, dnormed, d.k, normed, values);
    linear_backward(ctx, l, Module::kQuery, dnormed, d.q, normed, true);
  }
  if (need_dx) enter_branch_backward(ctx, c.block(l), s.dx, s.dnormed, x, w.attention_norm, rstd);
}

}  // namespace ilora
