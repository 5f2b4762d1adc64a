// Whether stored or computed numbers are finite. Called where weights are expanded (formats/stored_tensor.cpp) and where
// logits become an answer (model/engine.cpp).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "tensor/dtype.h"

namespace ilora {

// No NaN and no infinity among them. Written so that a compiler makes vector code of it.
inline bool all_finite(std::span<const float> values) {
  bool finite = true;
  for (const float x : values) finite &= std::abs(x) <= std::numeric_limits<float>::max();
  return finite;
}

// Whether the halves in the blocks of `count` elements of a quantised type (tensor/quant.h), their scales and minima, are
// finite. The elements are finite exactly then, and there are one or two halves for each 32 or 256 of them. `in` needs no
// alignment. False for other types: nothing is known.
bool scales_are_finite(DType type, const std::byte* in, int64_t count);

}  // namespace ilora
