// What every model file comes down to: names, types, shapes and bytes. No idea here of what a model
// is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace ilora {

struct StoredTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // row-major, outermost dimension first: a linear layer is {out, in}
  std::span<const std::byte> bytes;  // points into the mapped file, checked to lie inside it

  int64_t size() const;          // number of elements
  int64_t row_length() const;    // elements of the innermost dimension
  std::string describe() const;  // "blk.0.attn_q.weight Q4_1 (576, 576)"
};

// Expands rows [begin, end) (the tensor seen as (size/row_length, row_length)) to float32. A type
// that tensor/quant.h cannot expand throws Error(kUnsupported) that names the tensor.
void expand_rows(float* out, const StoredTensor& tensor, int64_t begin, int64_t end);
// The same of numbers that are computed with: one that is not finite throws Error(kFormat) that
// names tensor and row.
void expand_finite_rows(float* out, const StoredTensor& tensor, int64_t begin, int64_t end);

}  // namespace ilora
