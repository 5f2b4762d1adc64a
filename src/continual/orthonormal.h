// Orthonormal rows, in place: what slao begins a task with and what ogd keeps of a task.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace ilora {

// Rows (R,n) F32, R <= n, become those of Q' where rows' = QR and R has a positive diagonal: each row
// less its part along the rows before it, of length 1 (Gram-Schmidt in double, twice over). A row that
// the rows before it span, to within float's rounding, becomes zero. Returns how many are not.
int64_t orthonormalise_rows(Tensor rows);

}  // namespace ilora
