// libFuzzer entry: any bytes are JSON that is read whole and written again, or refused with
// ilora::Error. See README.md.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto numbers : {ilora::JsonNumbers::kValues, ilora::JsonNumbers::kDigits}) {
    try {
      const ilora::Json value = ilora::parse_json(text, "fuzz", numbers);
      const std::string written = ilora::json_text(value, -1);
      if (ilora::json_text(ilora::parse_json(written, "fuzz"), -1) != written) std::abort();
    } catch (const ilora::Error& e) {
      if (e.kind() != ilora::ErrorKind::kFormat) std::abort();
    }
  }
  return 0;
}
