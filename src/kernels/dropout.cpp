// The dropout mask that every table shares.
#include <cmath>

#include "base/random.h"
#include "kernels/kernels.h"

namespace ilora {

// p * 2^24 is exact in double, so the threshold is the same everywhere.
uint32_t dropout_threshold(double p) {
  ILORA_CHECK(p >= 0.0 && p < 1.0, "dropout probability {}", p);
  return static_cast<uint32_t>(std::ceil(p * 0x1p24));
}

bool dropout_keep(uint64_t row_key, int64_t column, double p) {
  return (hash_combine(row_key, static_cast<uint64_t>(column)) >> 40) >= dropout_threshold(p);
}

}  // namespace ilora
