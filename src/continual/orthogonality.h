// How far the rows of one matrix are from orthogonal to those of another: O-LoRA's penalty (Wang et al.
// 2023, "Orthogonal subspace learning for language model continual learning", arXiv 2310.14152).
#pragma once

#include "tensor/tensor.h"

namespace ilora {

// With rows a_p of `a` (R,n) and b_q of `b` (S,n), F32:
//
//   P = sum_pq |<a_p, b_q>|                       or, where `normalise`,
//   P = 1/(RS) sum_pq |<a_p, b_q>| / (|a_p| |b_q|)
//
// Adds weight * dP/da to `da` (R,n) and returns P. A row of zeros is orthogonal to all.
double orthogonality_penalty(Tensor da, Tensor a, Tensor b, bool normalise, double weight);

}  // namespace ilora
