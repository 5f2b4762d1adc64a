// What a call of an operation costs besides time.
#pragma once

#include <cstdint>

namespace ilora {

// Products that belong together: c (m,n) = a (m,k) b (k,n). The dimension that counts packed rows
// differs from call to call and is 0 here: m, or k where a is transposed (gradients of weights).
struct GemmClass {
  int64_t m = 0, n = 0, k = 0;
  bool a_transposed = false, b_transposed = false;
  bool operator==(const GemmClass&) const = default;
};

struct Cost {
  GemmClass gemm;    // of the operation gemm alone
  double flops = 0;  // of gemm and attention; 0 for the others
  double bytes = 0;  // of the tensors passed, each counted once
};

}  // namespace ilora
