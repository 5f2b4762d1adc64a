// One transformer block, as its BlockConfig says: forward, and right below it, backward. Written
// once against the table of operations (kernels/kernels.h) for every family; hand-derived gradients
// for adapters only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "model/activations.h"
#include "model/packed.h"
#include "model/top_rows.h"
#include "model/weights.h"

namespace ilora {

class KeyValueCache;

// What every function of a pass sees.
struct PassContext {
  const Kernels& kernels;
  const ModelConfig& config;
  const Weights& weights;
  const Packed& packed;
  const TopRows& top;  // rows that the last block computes above its attention
  Activations& act;
  std::span<const RotaryTable> rotary;  // by ModelConfig::rotary
  KeyValueCache* cache = nullptr;       // null: keys and values of this pass alone
  std::vector<uint64_t>& input_keys;    // scratch for dropout: one key per row
};

// What a block cannot compute yet, though a BlockConfig can say it: throws Error(kUnsupported) naming
// it, the layer and the file (`where`).
void require_computable(const ModelConfig& config, const std::string& where);

// x (N,D) of layers[l] becomes `out` (N,D), the input of layer l+1; keeps in layers[l] what
// backward needs. Without `out` it stops where backward needs no more. The last block writes only
// as many rows as ctx.top has, where that is narrow.
void block_forward(PassContext& ctx, int64_t l, Tensor out);

// Fills layers[l] once more from its x, for a backward whose layers share one set of activations.
void block_recompute(PassContext& ctx, int64_t l);

// act.dx (N',D), the gradient of the block's output (of the last one, where ctx.top is narrow:
// act.top_dx), becomes that of its input; adapters' gradients are added to their flat vectors.
// With `need_dx` false (the lowest trained layer) nothing is computed beyond the adapters.
void block_backward(PassContext& ctx, int64_t l, bool need_dx);

}  // namespace ilora
