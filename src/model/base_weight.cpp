#include "model/base_weight.h"

#include <algorithm>

namespace ilora {
namespace {

// Stored rows [begin, end) of a matrix as G.
Tensor expanded(const PassContext& ctx, const WeightView& view, int64_t begin, int64_t end) {
  const int64_t columns = view.stored.shape[1];
  const Tensor out =
      ctx.act.expanded.rows(0, (end - begin) * columns).reshaped({end - begin, columns});
  if (view.rows.empty()) {
    ctx.kernels.expand(out, view.stored.rows(begin, end), {});
  } else {
    ctx.kernels.expand(
        out, view.stored,
        view.rows.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
  }
  return out;
}

// Calls body(piece of the head, first row, last row), as few pieces as memory allows.
template <class Body>
void for_head(const PassContext& ctx, Body body) {
  const WeightView& head = ctx.weights.head();
  const int64_t vocabulary = head.stored.shape[0];
  if (!ctx.weights.needs_expanding(head)) {
    body(head.stored, 0, vocabulary);
    return;
  }
  for (int64_t begin = 0; begin < vocabulary; begin += Weights::kHeadRows) {
    const int64_t end = std::min(begin + Weights::kHeadRows, vocabulary);
    body(expanded(ctx, head, begin, end), begin, end);
  }
}

// The matrix of a linear map, (out,in) G.
Tensor base_weight(const PassContext& ctx, const WeightView& view) {
  if (!ctx.weights.needs_expanding(view)) return view.stored;
  return expanded(ctx, view, 0, view.stored.shape[0]);
}

const WeightView& map_of(const PassContext& ctx, int64_t l, Module module) {
  return ctx.weights.layer(l).linear[static_cast<size_t>(module)];
}

}  // namespace

void multiply_by_weight(const PassContext& ctx, int64_t l, Module module, Tensor y, Tensor x,
                        double factor, bool accumulate) {
  const WeightView& view = map_of(ctx, l, module);
  const auto alpha = static_cast<float>(factor);
  const float beta = accumulate ? 1.0f : 0.0f;
  if (ctx.packed.step) {
    ctx.kernels.stored_product(y, x, view.blocks, view.block_rows, alpha, beta);
  } else if (view.bytes != nullptr) {
    ctx.kernels.byte_product(y, x, *view.bytes, alpha, beta);
  } else {
    ctx.kernels.gemm(y, x, base_weight(ctx, view).transposed(), alpha, beta);
  }
}

void multiply_by_weight_backward(const PassContext& ctx, int64_t l, Module module, Tensor dx,
                                 Tensor dy, double factor, bool accumulate) {
  const WeightView& view = map_of(ctx, l, module);
  const auto alpha = static_cast<float>(factor);
  const float beta = accumulate ? 1.0f : 0.0f;
  if (view.transposed_bytes != nullptr) {
    ctx.kernels.byte_product(dx, dy, *view.transposed_bytes, alpha, beta);
  } else {
    ctx.kernels.gemm(dx, dy, base_weight(ctx, view), alpha, beta);
  }
}

void embed_tokens(const Kernels& kernels, const ModelConfig& config, const Weights& weights,
                  Tensor y, std::span<const int32_t> ids, Tensor scratch) {
  const WeightView& table = weights.embedding();
  if (weights.needs_expanding(table)) {
    kernels.expand(scratch, table.stored, ids);
    kernels.convert(y, scratch);
  } else {
    kernels.embed(y, table.stored, ids);
  }
  if (config.embedding_multiplier != 1) kernels.scale(y, config.embedding_multiplier);
}

void multiply_by_head(const PassContext& ctx, Tensor logits, Tensor hidden) {
  const auto scale = static_cast<float>(ctx.config.logit_scale);
  const WeightView& view = ctx.weights.head();
  if (ctx.packed.step) {
    ctx.kernels.stored_product(logits, hidden, view.blocks, view.block_rows, scale, 0.0f);
  } else {
    for_head(ctx, [&](Tensor head, int64_t begin, int64_t end) {
      ctx.kernels.gemm(logits.columns(begin, end), hidden, head.transposed(), scale, 0.0f);
    });
  }
  if (ctx.config.logit_soft_cap > 0) ctx.kernels.soft_cap(logits, ctx.config.logit_soft_cap);
}

void multiply_by_head_backward(const PassContext& ctx, Tensor dhidden, Tensor dlogits) {
  const auto scale = static_cast<float>(ctx.config.logit_scale);
  for_head(ctx, [&](Tensor head, int64_t begin, int64_t end) {
    ctx.kernels.gemm(dhidden, dlogits.columns(begin, end), head, scale, begin == 0 ? 0.0f : 1.0f);
  });
}

}  // namespace ilora
