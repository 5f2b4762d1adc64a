// How many rows a product gets: a multiple of 16, so that GEMMs see few distinct row counts. Rows
// that fill up are zero, or of no meaning.
#pragma once

#include <cstdint>

namespace ilora {

constexpr int64_t kGemmRows = 16;

constexpr int64_t gemm_rows(int64_t rows) {
  return (rows + kGemmRows - 1) / kGemmRows * kGemmRows;
}

}  // namespace ilora
