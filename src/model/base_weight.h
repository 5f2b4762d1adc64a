// Base weights on their way to a product: as they stand, or expanded into the pass's scratch
// (act.expanded), which the next call overwrites.
#pragma once

#include "model/block.h"

namespace ilora {

// y (N,out) T|G = factor * x (N,in) G times the matrix of a linear map, transposed; += with
// `accumulate`. A step of generation (Packed::step) multiplies the file's blocks: a row's bits
// then hang on no other row.
void multiply_by_weight(const PassContext& ctx, int64_t l, Module module, Tensor y, Tensor x,
                        double factor, bool accumulate);

// dx (N,in) T = factor * dy (N,out) G times the matrix; += with `accumulate`. Where the map is held
// as bytes dy may be T.
void multiply_by_weight_backward(const PassContext& ctx, int64_t l, Module module, Tensor dx,
                                 Tensor dy, double factor, bool accumulate);

// y (N,D) T = rows of the embedding at ids (N), zeros where one is negative, times the model's
// embedding multiplier. `scratch` (N,D) G holds rows that are expanded, so that they are rounded as
// those of an expanded table.
void embed_tokens(const Kernels& kernels, const ModelConfig& config, const Weights& weights,
                  Tensor y, std::span<const int32_t> ids, Tensor scratch);

// logits (N,V) T = the model's logit scale times hidden (N,D) G times the head, transposed; capped
// where the model caps them; in a step of generation the head's blocks, as above.
void multiply_by_head(const PassContext& ctx, Tensor logits, Tensor hidden);
// dhidden (N,D) T = the same scale times dlogits (N,V) G times the head; dlogits is the gradient of
// the logits before they are capped.
void multiply_by_head_backward(const PassContext& ctx, Tensor dhidden, Tensor dlogits);

}  // namespace ilora
