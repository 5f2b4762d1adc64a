// libFuzzer entry: any bytes are a safetensors file that is read whole, or refused with
// ilora::Error. See README.md.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto file =
        ilora::SafetensorsFile::from_bytes(std::as_bytes(std::span(data, size)), "fuzz");
    std::vector<float> out;
    for (const ilora::StoredTensor& tensor : file.tensors()) {
      if (tensor.dtype == ilora::DType::kF64 || tensor.dtype == ilora::DType::kI32 ||
          tensor.size() == 0)
        continue;
      out.resize(static_cast<size_t>(tensor.size()));
      ilora::expand_rows(out.data(), tensor, 0, tensor.size() / tensor.row_length());
    }
  } catch (const ilora::Error& e) {
    if (e.kind() == ilora::ErrorKind::kInternal) std::abort();
  }
  return 0;
}
