#include "formats/stored_tensor.h"

#include <fmt/ranges.h>

#include <cstring>

#include "base/error.h"
#include "formats/check.h"
#include "formats/quant.h"

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
  const std::byte* in = tensor.bytes.data() + dtype_bytes(tensor.dtype, begin * row);
  switch (tensor.dtype) {
    case DType::kF32:
      std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::kF16:
      expand_f16(out, in, count);
      return;
    case DType::kBF16:
      expand_bf16(out, in, count);
      return;
    case DType::kQ8_0:
      expand_q8_0(out, in, count / kQuantBlock);
      return;
    case DType::kQ4_0:
      expand_q4_0(out, in, count / kQuantBlock);
      return;
    case DType::kQ4_1:
      expand_q4_1(out, in, count / kQuantBlock);
      return;
    case DType::kF64:
    case DType::kC128:
    case DType::kI32:
      break;
  }
  throw Error(ErrorKind::kUnsupported,
              fmt::format("[tensor] expected F32, F16, BF16, Q8_0, Q4_0 or Q4_1, got {}",
                          tensor.describe()),
              "Convert the file to one of these types.");
}

}  // namespace ilora
