// Where the time goes: a table that passes every call on to another one and keeps its time. The
// engine knows nothing of it. `ilora train --profile` and `ilora bench step --profile` print it.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace ilora {

// Products that belong together: c (m,n) = a (m,k) b (k,n). The dimension that counts packed rows
// differs from call to call and is 0 here: m, or k where a is transposed (gradients of weights).
struct GemmClass {
  int64_t m = 0, n = 0, k = 0;
  bool a_transposed = false, b_transposed = false;
  bool operator==(const GemmClass&) const = default;
};

struct ProfileEntry {
  const char* operation = "";  // as in Kernels
  GemmClass gemm;              // of the operation gemm alone
  int64_t calls = 0;
  double seconds = 0;
  double flops = 0;  // of gemm and attention; 0 for the others
  double bytes = 0;  // of the tensors passed, each counted once
};

// The table that times `kernels`; one per process, and for calls from one thread at a time.
const Kernels& profile_kernels(const Kernels& kernels);
// Forgets what was timed so far.
void clear_profile();
// What was called since, in the order of first calls.
const std::vector<ProfileEntry>& profile_entries();

}  // namespace ilora
