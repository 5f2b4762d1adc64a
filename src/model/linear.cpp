#include "model/linear.h"

#include "base/random.h"
#include "model/base_weight.h"

namespace ilora {
namespace {

// The first rows*columns elements of a flat scratch buffer as a matrix.
Tensor scratch(Tensor flat, int64_t rows, int64_t columns) {
  return flat.rows(0, rows * columns).reshaped({rows, columns});
}

// m of linear.h.
double output_multiplier(const PassContext& ctx, int64_t l, Module module) {
  const bool to_residual = module == Module::kOutput || module == Module::kDown;
  return to_residual ? ctx.config.block(l).residual_multiplier : 1.0;
}

// x as LoRA's A sees it: after dropout where the segment trains with it. A bit depends on (seed,
// step, row, position), which row_keys hold, and on the module and column.
Tensor dropped_input(PassContext& ctx, int64_t l, Module module, const PackedSegment& segment,
                     Tensor x) {
  if (segment.dropout == 0) return x;
  const auto input = static_cast<uint64_t>(l * kDropoutModules + dropout_module(module));
  ctx.input_keys.resize(static_cast<size_t>(x.shape[0]));
  for (int64_t n = 0; n < x.shape[0]; ++n) {
    ctx.input_keys[static_cast<size_t>(n)] =
        hash_combine(ctx.packed.row_keys[static_cast<size_t>(segment.begin + n)], input);
  }
  const Tensor y = scratch(ctx.act.dropped, x.shape[0], x.shape[1]);
  ctx.kernels.dropout(y, x, ctx.input_keys, segment.dropout);
  return y;
}

// sum T += the adapters' part of the map of x; h_all keeps their inner products for backward.
void add_lora(PassContext& ctx, int64_t l, Module module, Tensor sum, Tensor x, Tensor h_all) {
  const Kernels& k = ctx.kernels;
  const double multiplier = output_multiplier(ctx, l, module);
  for (const PackedSegment& segment : ctx.packed.segments) {
    if (segment.begin == segment.end) continue;
    Tensor input;
    for (const ActiveUse& use : segment.uses) {
      const LoraBlock* block = use.adapter->layout().find(l, module);
      if (block == nullptr) continue;
      if (!input)
        input = dropped_input(ctx, l, module, segment, x.rows(segment.begin, segment.end));
      const Tensor h =
          h_all.rows(segment.begin, segment.end).columns(use.column, use.column + block->rank);
      k.gemm(h, input, lora_a(use.values, *block).transposed(), 1.0f, 0.0f);
      k.gemm(sum.rows(segment.begin, segment.end), h, lora_bt(use.values, *block),
             static_cast<float>(use.scale * multiplier), 1.0f);
    }
  }
}

}  // namespace

void linear_forward(PassContext& ctx, int64_t l, Module module, Tensor y, Tensor x,
                    bool accumulate) {
  const Kernels& k = ctx.kernels;
  const Tensor bias = ctx.weights.layer(l).bias[static_cast<size_t>(module)];
  const Tensor h_all = ctx.act.layers[static_cast<size_t>(l)].lora_h[static_cast<size_t>(module)];
  const bool round = y.dtype != k.state && (h_all || bias);
  const Tensor sum = round ? scratch(ctx.act.wide, y.shape[0], y.shape[1]) : y;
  multiply_by_weight(ctx, l, module, sum, x, output_multiplier(ctx, l, module), accumulate);
  if (bias) k.add_row(sum, bias);
  if (h_all) add_lora(ctx, l, module, sum, x, h_all);
  if (round) k.convert(y, sum);
}

void linear_backward(PassContext& ctx, int64_t l, Module module, Tensor dx, Tensor dy, Tensor x,
                     bool accumulate) {
  const Kernels& k = ctx.kernels;
  Tensor dy_g = dy;
  if (dy.dtype != ctx.weights.gemm_type()) {
    dy_g = scratch(ctx.act.dwide_g, dy.shape[0], dy.shape[1]);
    k.convert(dy_g, dy);
  }
  const double multiplier = output_multiplier(ctx, l, module);
  if (dx) {
    multiply_by_weight_backward(ctx, l, module, dx, dy_g, multiplier, accumulate);
  }

  const Tensor h_all = ctx.act.layers[static_cast<size_t>(l)].lora_h[static_cast<size_t>(module)];
  if (!h_all) return;
  for (const PackedSegment& segment : ctx.packed.segments) {
    if (!segment.gradient || segment.begin == segment.end) continue;
    const Tensor dy_s = dy_g.rows(segment.begin, segment.end);
    Tensor input;
    for (const ActiveUse& use : segment.uses) {
      const LoraBlock* block = use.adapter->layout().find(l, module);
      if (block == nullptr || (!use.gradient && !dx)) continue;
      const int64_t rows = segment.end - segment.begin;
      const auto scale = static_cast<float>(use.scale * multiplier);
      const Tensor dh = scratch(ctx.act.lora_dh, rows, block->rank);  // gradient of h, scaled
      k.gemm(dh, dy_s, lora_bt(use.values, *block).transposed(), scale, 0.0f);
      if (!input && (use.gradient || segment.dropout > 0)) {
        input = dropped_input(ctx, l, module, segment, x.rows(segment.begin, segment.end));
      }
      if (use.gradient) {
        const Tensor h =
            h_all.rows(segment.begin, segment.end).columns(use.column, use.column + block->rank);
        k.gemm(lora_bt(use.gradient, *block), h.transposed(), dy_s, scale, 1.0f);
        k.gemm(lora_a(use.gradient, *block), dh.transposed(), input, 1.0f, 1.0f);
      }
      if (!dx) continue;
      const Tensor dx_s = dx.rows(segment.begin, segment.end);
      if (segment.dropout == 0) {
        k.gemm(dx_s, dh, lora_a(use.values, *block), 1.0f, 1.0f);
      } else {
        const Tensor dinput = scratch(ctx.act.lora_dx, rows, block->in);
        k.gemm(dinput, dh, lora_a(use.values, *block), 1.0f, 0.0f);
        k.dropout(dinput, dinput, ctx.input_keys, segment.dropout);
        k.add(dx_s, dinput);
      }
    }
  }
}

bool is_trained(const PassContext& ctx, int64_t l, Module module) {
  for (const PackedSegment& segment : ctx.packed.segments) {
    for (const ActiveUse& use : segment.uses) {
      if (use.gradient && use.adapter->layout().find(l, module) != nullptr) return true;
    }
  }
  return false;
}

}  // namespace ilora
