#include "formats/stored_tensor.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "formats/check.h"
#include "tensor/finite.h"
#include "tensor/quant.h"

namespace ilora {

int64_t StoredTensor::size() const {
  int64_t count = 1;
  for (const int64_t dimension : shape) count *= dimension;
  return count;
}

int64_t StoredTensor::row_length() const {
  return shape.empty() ? 1 : shape.back();
}

std::string StoredTensor::describe() const {
  return fmt::format("{} {} ({})", name, dtype_name(dtype), fmt::join(shape, ", "));
}

void expand_rows(float* out, const StoredTensor& tensor, int64_t begin, int64_t end) {
  const int64_t row = tensor.row_length();
  ILORA_CHECK(
      checked_bytes(tensor.dtype, tensor.shape) == static_cast<int64_t>(tensor.bytes.size()), "{}",
      tensor.describe());
  ILORA_CHECK(0 <= begin && begin <= end && (row == 0 || end <= tensor.size() / row),
              "rows {} to {} of {}", begin, end, tensor.describe());
  const int64_t count = (end - begin) * row;
  if (count == 0) return;
  if (is_expandable(tensor.dtype)) {
    expand_elements(out, tensor.dtype, tensor.bytes.data() + dtype_bytes(tensor.dtype, begin * row),
                    count);
    return;
  }
  throw Error(
      ErrorKind::kUnsupported,
      fmt::format("[tensor] expected one of {}, got {}", expandable_types(), tensor.describe()),
      "Convert the file to one of these types.");
}

void expand_finite_rows(float* out, const StoredTensor& tensor, int64_t begin, int64_t end) {
  expand_rows(out, tensor, begin, end);
  const int64_t width = tensor.row_length();
  for (int64_t r = begin; r < end; ++r) {
    const float* row = out + (r - begin) * width;
    const std::byte* stored = tensor.bytes.data() + dtype_bytes(tensor.dtype, r * width);
    if (scales_are_finite(tensor.dtype, stored, width) ||
        all_finite({row, static_cast<size_t>(width)}))
      continue;
    throw Error(ErrorKind::kFormat,
                fmt::format("[tensor] expected finite numbers, got others in row {} of {}", r,
                            tensor.describe()),
                "The file is damaged, or comes from a training that diverged.");
  }
}

}  // namespace ilora
