// Logits of chosen positions, a chunk at a time: the head's product is the widest of a pass.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "model/block.h"
#include "tensor/scalar.h"

namespace ilora {

// Logits of rows `rows` of hidden[L]: the first rows of `out` (chunk,V) T, at most `chunk` of them.
// Returned with n rows, n = rows.size() rounded up to 16; those behind the last are of no meaning.
// Uses act.label_hidden.
Tensor head_logits(PassContext& ctx, Tensor out, std::span<const int32_t> rows);

// -log p(targets[i]) at row rows[i] of hidden[L], in order; `logits` (chunk,V) T is scratch.
using LabelLossVisitor = std::function<void(size_t label, double loss)>;
void label_losses(PassContext& ctx, Tensor logits, std::span<const int32_t> rows,
                  std::span<const int32_t> targets, const LabelLossVisitor& visit);

}  // namespace ilora
