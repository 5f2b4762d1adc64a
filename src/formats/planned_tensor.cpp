#include "formats/planned_tensor.h"

#include <cstring>

#include "base/error.h"
#include "formats/check.h"
#include "tensor/finite.h"
#include "tensor/quant.h"
#include "tensor/quantise.h"

namespace ilora {

int64_t PlannedTensor::size() const {
  int64_t count = 1;
  for (const int64_t dimension : shape) count *= dimension;
  return count;
}

int64_t PlannedTensor::bytes() const {
  const auto bytes = checked_bytes(dtype, shape);
  ILORA_CHECK(bytes.has_value(), "{} of {} elements", dtype_name(dtype), size());
  return *bytes;
}

void fill_elements(std::span<std::byte> out, DType type, std::span<const float> values,
                   const std::string& name) {
  const auto count = static_cast<int64_t>(values.size());
  quantise_elements(out.data(), type, values.data(), count);
  std::vector<float> stored(values.size());
  expand_elements(stored.data(), type, out.data(), count);
  if (all_finite(stored)) return;
  throw Error(ErrorKind::kUnsupported,
              fmt::format("[tensor] {} holds numbers that {} does not", name, dtype_name(type)),
              "Choose f32 or bf16 (--type).");
}

PlannedTensor planned_copy(const StoredTensor& stored) {
  return {stored.name, stored.dtype, stored.shape, [from = stored.bytes](std::span<std::byte> out) {
            ILORA_CHECK(out.size() == from.size());
            if (!from.empty()) std::memcpy(out.data(), from.data(), from.size());
          }};
}

}  // namespace ilora
