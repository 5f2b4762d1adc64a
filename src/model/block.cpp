#include "model/block.h"

#include "model/cache.h"
#include "model/linear.h"

namespace ilora {
namespace {

Tensor heads(Tensor x, int64_t count, int64_t head_dim) {
  return x.reshaped({x.shape[0], count, head_dim});
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
  ctx.kernels.rope(turning, turning, table.cos(), table.sin(), positions, inverse);
}

// x *= factor, unless that changes nothing.
void multiply(const Kernels& k, Tensor x, double factor) {
  if (factor != 1) k.scale(x, factor);
}

// Whether block l computes only chosen rows above its attention.
bool narrow_above_attention(const PassContext& ctx, int64_t l) {
  return ctx.top.narrow() && l + 1 == ctx.config.layers;
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
  const Kernels& k = ctx.kernels;
  const ModelConfig& c = ctx.config;
  const LayerWeights& w = ctx.weights.layer(l);
  const Activations& s = ctx.act;
  const LayerActivations& a = s.layers[static_cast<size_t>(l)];
  const int64_t n = dx.shape[0];
  const bool below_ffn = inside || is_trained(ctx, l, Module::kOutput);
  const bool inside_ffn = below_ffn || any_trained(ctx, l, {Module::kGate, Module::kUp});
  const Tensor gate = a.gate.rows(0, n), up = a.up.rows(0, n), act = s.act.rows(0, n);
  const Tensor x_mid = a.x_mid.rows(0, n), rstd = a.rstd_ffn.rows(0, n);
  const Tensor normed = s.normed.rows(0, n);

  // Feed-forward. dgate and dup take the place of gate and up.
  const Tensor dact = s.dwide.rows(0, n * c.feed_forward).reshaped({n, c.feed_forward});
  if (is_trained(ctx, l, Module::kDown)) k.swiglu(act, gate, up);
  linear_backward(ctx, l, Module::kDown, inside_ffn ? dact : Tensor(), dx, act, false);
  if (!inside_ffn) return;
  k.swiglu_backward(gate, up, dact, gate, up);
  if (any_trained(ctx, l, {Module::kGate, Module::kUp})) {
    k.rmsnorm(normed, rstd, x_mid, w.feed_forward_norm, c.norm_epsilon);
  }
  const Tensor dnormed = below_ffn ? s.dnormed.rows(0, n) : Tensor();
  linear_backward(ctx, l, Module::kUp, dnormed, up, normed, false);
  linear_backward(ctx, l, Module::kGate, dnormed, gate, normed, true);
  if (!below_ffn) return;
  k.rmsnorm_backward(dx, dnormed, x_mid, w.feed_forward_norm, rstd);

  linear_backward(ctx, l, Module::kOutput, inside ? do_ : Tensor(), dx, a.o.rows(0, n), false);
}

}  // namespace

void require_computable(const ModelConfig& config, const std::string& where) {
  for (int64_t l = 0; l < config.layers; ++l) {
    const BlockConfig& block = config.block(l);
    const auto refuse = [&](const std::string& what, const std::string& hint) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("[model] {} in layer {} is not supported ({})", what, l, where),
                  hint);
    };
    if (block.window > 0 && block.window < config.context) {
      refuse(fmt::format("a sliding window of {} positions", block.window),
             fmt::format("Up to {} positions it changes nothing: set the model's context "
                         "(max_position_embeddings) to that.",
                         block.window));
    }
    const auto has_bias = [&](Module m) { return block.bias[static_cast<size_t>(m)]; };
    if (block.residual_multiplier != 1 && (has_bias(Module::kOutput) || has_bias(Module::kDown)))
      refuse("a residual multiplier of a map with a bias", "");
  }
}

void block_forward(PassContext& ctx, int64_t l, Tensor out) {
  const Kernels& k = ctx.kernels;
  const ModelConfig& c = ctx.config;
  const LayerWeights& w = ctx.weights.layer(l);
  const Activations& s = ctx.act;
  const LayerActivations& a = s.layers[static_cast<size_t>(l)];
  const int64_t dh = c.head_dim;

  // Attention: x_mid = x + m Wo attention(turned s Wq n, turned Wk n, Wv n), n = norm(x), with the
  // block's query scale s and residual multiplier m (linear.cpp)
  k.rmsnorm(s.normed, a.rstd_attention, a.x, w.attention_norm, c.norm_epsilon);
  linear_forward(ctx, l, Module::kQuery, a.q, s.normed);
  multiply(k, a.q, c.block(l).query_scale);
  rotate(ctx, l, heads(a.q, c.heads, dh), false);
  linear_forward(ctx, l, Module::kKey, a.k, s.normed);
  rotate(ctx, l, heads(a.k, c.kv_heads, dh), false);
  linear_forward(ctx, l, Module::kValue, a.v, s.normed);
  Tensor keys = a.k, values = a.v;
  if (ctx.cache != nullptr) {
    ctx.cache->store(k, l, a.k, a.v, ctx.packed);
    keys = ctx.cache->keys(l);
    values = ctx.cache->values(l);
  }
  const Tensor o_heads = heads(a.o, c.heads, dh), q_heads = heads(a.q, c.heads, dh);
  keys = heads(keys, c.kv_heads, dh), values = heads(values, c.kv_heads, dh);
  if (ctx.packed.step) {
    k.attention_step(o_heads, q_heads, keys, values, ctx.packed.spans);
  } else {
    k.attention(o_heads, a.lse, q_heads, keys, values, ctx.packed.spans);
  }
  zero_filler(ctx, a.o);
  const bool narrow = narrow_above_attention(ctx, l);
  const int64_t n = narrow ? ctx.top.count() : ctx.packed.rows;
  const Tensor x_mid = a.x_mid.rows(0, n);
  Tensor o = a.o;
  if (narrow) {
    ctx.top.gather(k, s.top_o, a.o);
    ctx.top.gather(k, x_mid, a.x);
    o = s.top_o_g;
    if (o.dtype != s.top_o.dtype) k.convert(o, s.top_o);
  } else {
    k.convert(x_mid, a.x);
  }
  linear_forward(ctx, l, Module::kOutput, x_mid, o, true);

  // Feed-forward: out = x_mid + m Wd (silu(Wg n) * Wu n), n = norm(x_mid)
  const Tensor normed = s.normed.rows(0, n), act = s.act.rows(0, n);
  const Tensor gate = a.gate.rows(0, n), up = a.up.rows(0, n);
  k.rmsnorm(normed, a.rstd_ffn.rows(0, n), x_mid, w.feed_forward_norm, c.norm_epsilon);
  linear_forward(ctx, l, Module::kGate, gate, normed);
  linear_forward(ctx, l, Module::kUp, up, normed);
  if (!out) return;
  k.swiglu(act, gate, up);
  k.convert(out.rows(0, n), x_mid);
  linear_forward(ctx, l, Module::kDown, out.rows(0, n), act, true);
}

void block_recompute(PassContext& ctx, int64_t l) {
  // The output is known; but where the last map carries LoRA, backward needs its inner product.
  const auto layer = static_cast<size_t>(l);
  const bool down =
      static_cast<bool>(ctx.act.layers[layer].lora_h[static_cast<size_t>(Module::kDown)]);
  const bool top = l + 1 == ctx.config.layers;
  const Tensor next = top ? ctx.act.x_last : ctx.act.layers[layer + 1].x;
  block_forward(ctx, l, down ? next : Tensor());
}

void block_backward(PassContext& ctx, int64_t l, bool need_dx) {
  const Kernels& k = ctx.kernels;
  const ModelConfig& c = ctx.config;
  const LayerWeights& w = ctx.weights.layer(l);
  const Activations& s = ctx.act;
  const LayerActivations& a = s.layers[static_cast<size_t>(l)];
  const int64_t n = ctx.packed.gradient_rows;  // N'
  const int64_t dh = c.head_dim;
  const bool inside =
      need_dx || any_trained(ctx, l, {Module::kQuery, Module::kKey, Module::kValue});
  const Tensor do_ = s.dwide.rows(0, n * c.query_width()).reshaped({n, c.query_width()});
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
  const auto spans =
      std::span(ctx.packed.spans).first(static_cast<size_t>(ctx.packed.gradient_spans));
  const Tensor dq = heads(s.dq, c.heads, dh), dk = heads(s.dk, c.kv_heads, dh);
  k.attention_backward(dq, dk, heads(s.dv, c.kv_heads, dh), heads(do_, c.heads, dh),
                       heads(a.q.rows(0, n), c.heads, dh), heads(a.k.rows(0, n), c.kv_heads, dh),
                       heads(a.v.rows(0, n), c.kv_heads, dh), heads(a.o.rows(0, n), c.heads, dh),
                       a.lse.rows(0, n), spans);
  zero_filler(ctx, s.dq);
  zero_filler(ctx, s.dk);
  zero_filler(ctx, s.dv);
  rotate(ctx, l, dq, true);
  rotate(ctx, l, dk, true);
  multiply(k, s.dq, c.block(l).query_scale);
  const Tensor normed = s.normed.rows(0, n), dnormed = need_dx ? s.dnormed : Tensor();
  if (any_trained(ctx, l, {Module::kQuery, Module::kKey, Module::kValue})) {
    k.rmsnorm(normed, a.rstd_attention.rows(0, n), a.x.rows(0, n), w.attention_norm,
              c.norm_epsilon);
  }
  linear_backward(ctx, l, Module::kValue, dnormed, s.dv, normed, false);
  linear_backward(ctx, l, Module::kKey, dnormed, s.dk, normed, true);
  linear_backward(ctx, l, Module::kQuery, dnormed, s.dq, normed, true);
  if (need_dx)
    k.rmsnorm_backward(s.dx, s.dnormed, a.x.rows(0, n), w.attention_norm,
                       a.rstd_attention.rows(0, n));
}

}  // namespace ilora
